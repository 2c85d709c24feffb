"""The dashboard for Grafana, and which figures and labels its expressions ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent.parent / "grafana" / "cosem-headend.json").read_text("utf-8")
)
SCRAPED = frozenset({"instance", "job"})
"""Labels that Prometheus adds when it scrapes."""
_METRIC = re.compile(r"\b(?:cosem|process)_[a-z_]+")
_SELECTED = re.compile(r"\b((?:cosem|process)_[a-z_]+)\{([^}]*)\}")
_BY = re.compile(r"by \(([a-z_, ]+)\)")


def panels() -> Iterator[dict[str, Any]]:
    """Yield the panels that show something."""
    return (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def expressions() -> list[str]:
    """Return every expression of the panels."""
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def metrics(expression: str) -> set[str]:
    """Return the names of the figures in an expression."""
    return set(_METRIC.findall(expression))


def label_problems(exposed: str, asked: Iterable[str] | None = None) -> list[str]:
    """Return which labels expressions, variables and legends ask for that the figures do not have."""
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exposed):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    wanted: list[tuple[str, str]] = []
    for expression in expressions() if asked is None else asked:
        for name, selector in _SELECTED.findall(expression):
            wanted += [(name, label) for label in re.findall(r"([a-z_]+)\s*[!=]", selector)]
            wanted += [(name, label.strip()) for group in _BY.findall(expression) for label in group.split(",")]
    if asked is None:
        for panel in panels():
            for target in panel["targets"]:
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    wanted += [(name, label) for name in metrics(target["expr"])]
        for item in DASHBOARD["templating"]["list"]:
            for name, label in re.findall(r"label_values\((\w+), (\w+)\)", item.get("definition", "")):
                wanted.append((name, label))
    return sorted(
        {
            f"{name} has no label {label}"
            for name, label in wanted
            if label not in SCRAPED and label not in labels.get(name, set())
        }
    )

"""Gases and check values of the project's own data files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cosem.gas.composition import Composition

DATA = Path(__file__).parents[1] / "data"


def load(name: str) -> dict[str, Any]:
    """Return the data file `gas_NAME.json`."""
    return json.loads((DATA / f"gas_{name}.json").read_text(encoding="utf-8"))


def gas(number: int) -> Composition:
    """Return one of the six gases of ISO 12213-2, annex C."""
    return Composition.of(load("detail")["gases"][f"gas{number}"])

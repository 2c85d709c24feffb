"""What octets mean: frames, protection, APDUs and values, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.lazy import lazy_exports

if TYPE_CHECKING:
    from cosem.explain.decode import KINDS, explain
    from cosem.explain.mbus import MBusExplainer, explain_answer, explain_mbus
    from cosem.explain.mbus_document import MBusExplanation, TelegramExplained
    from cosem.explain.tree import Explained, Explanation, Layer
    from cosem.pushes.readings import Reading, readings

__all__ = [
    "KINDS",
    "Explained",
    "Explanation",
    "Layer",
    "MBusExplainer",
    "MBusExplanation",
    "Reading",
    "TelegramExplained",
    "explain",
    "explain_answer",
    "explain_mbus",
    "readings",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "KINDS": "cosem.explain.decode",
        "explain": "cosem.explain.decode",
        "MBusExplainer": "cosem.explain.mbus",
        "MBusExplanation": "cosem.explain.mbus_document",
        "TelegramExplained": "cosem.explain.mbus_document",
        "explain_answer": "cosem.explain.mbus",
        "explain_mbus": "cosem.explain.mbus",
        "Reading": "cosem.pushes.readings",
        "readings": "cosem.pushes.readings",
        "Explained": "cosem.explain.tree",
        "Explanation": "cosem.explain.tree",
        "Layer": "cosem.explain.tree",
    },
)

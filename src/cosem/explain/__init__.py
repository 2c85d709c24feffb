"""What octets mean: frames, protection, APDUs and values, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.lazy import lazy_exports

if TYPE_CHECKING:
    from cosem.explain.decode import KINDS, explain
    from cosem.explain.tree import Explained, Explanation, Layer
    from cosem.pushes.readings import Reading, readings

__all__ = ["KINDS", "Explained", "Explanation", "Layer", "Reading", "explain", "readings"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "KINDS": "cosem.explain.decode",
        "explain": "cosem.explain.decode",
        "Reading": "cosem.pushes.readings",
        "readings": "cosem.pushes.readings",
        "Explained": "cosem.explain.tree",
        "Explanation": "cosem.explain.tree",
        "Layer": "cosem.explain.tree",
    },
)

"""OBIS codes that explain themselves: words, medium, unit and interface class from the grammar of the value groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.lazy import lazy_exports

if TYPE_CHECKING:
    from cosem.obis_names.explanation import Explanation as Explanation
    from cosem.obis_names.explanation import Group as Group
    from cosem.obis_names.explanation import explain as explain
    from cosem.obis_names.explanation import words as words
    from cosem.obis_names.table import Status as Status

_WHERE = {"explanation": ("Explanation", "Group", "explain", "words"), "table": ("Status",)}

__getattr__, __dir__ = lazy_exports(
    __name__, {name: f"cosem.obis_names.{module}" for module, names in _WHERE.items() for name in names}
)

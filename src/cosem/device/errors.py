"""How a behaviour says no to a client."""

from __future__ import annotations

from cosem.errors import CosemError
from cosem.results import ActionResult, DataAccessResult


class Refused(CosemError):
    """A behaviour refuses; `result` is what the client gets as its answer."""

    def __init__(self, result: ActionResult | DataAccessResult) -> None:
        super().__init__(result.label)
        self.result = result

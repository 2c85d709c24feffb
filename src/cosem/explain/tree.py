"""The tree an explanation is made of: layers from the outermost inwards, and the value at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cosem.codec.axdr import Data
from cosem.codec.json import to_json
from cosem.errors import DecodeError
from cosem.pushes.readings import Reading, readings

Value = Data | list[Any] | None
"""The COSEM data of the innermost APDU; a list where the service carries a list (its elements `Data` or a mapping)."""


_PUSHES = frozenset({"data-notification", "p1"})


@dataclass(slots=True)
class Layer:
    """One layer. `offset` counts octets in the buffer of the layer around it; `length` is all this layer spans.

    `octets` are the layer's own (for a protected APDU that was opened, the layer inside starts a new buffer).
    """

    name: str
    offset: int
    octets: bytes
    fields: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the layer as the command line prints it."""
        return {"layer": self.name, "offset": self.offset, "length": len(self.octets), **self.fields}


@dataclass(slots=True)
class Failure:
    """Why octets could not be explained to the end: `offset` counts in the buffer of `layer`."""

    what: str
    offset: int
    layer: str
    incomplete: bool = False
    octets: bytes | None = field(default=None, repr=False)
    """The buffer itself, where it is not the whole input."""

    def to_json(self) -> dict[str, Any]:
        """Return the failure as the command line prints it."""
        return {"what": self.what, "offset": self.offset, "layer": self.layer}


@dataclass(slots=True)
class Explained:
    """One frame (or one APDU, or one value) and what stands in it."""

    layers: list[Layer] = field(default_factory=list)
    value: Value = None
    error: Failure | None = None
    data: bytes | None = None
    """The octets of `value` where it is one COSEM value, for an annotation octet by octet."""

    def fail(self, error: DecodeError, layer: str, octets: bytes | None = None) -> Explained:
        """Note `error`, met in `layer`; its offset counts in `octets`, or in the whole input."""
        from cosem.errors import IncompleteError

        path = f" in {' > '.join(error.path)}" if error.path else ""
        self.error = Failure(error.what + path, error.offset, layer, isinstance(error, IncompleteError), octets)
        return self

    def readings(self, country: str | None = None) -> list[Reading]:
        """Return the values that a push names, or its layout; an empty list for anything that is no push."""
        if not isinstance(self.value, Data) or not self.layers or self.layers[-1].name not in _PUSHES:
            return []
        return readings(self.value, country)

    def to_json(self, country: str | None = None) -> dict[str, Any]:
        """Return ``{"layers", "value"}``, ``"readings"`` of a push, and ``"error"`` in front where there is one."""
        answer: dict[str, Any] = {"layers": [layer.to_json() for layer in self.layers], "value": value_json(self.value)}
        if named := self.readings(country):
            answer["readings"] = [reading.to_json() for reading in named]
        if self.error is not None:
            answer = {"error": self.error.to_json(), **answer}
        return answer


@dataclass(slots=True)
class Explanation:
    """All that one input held. `error` is set where octets stay unexplained."""

    frames: list[Explained]
    error: Failure | None = None
    country: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every octet was explained."""
        return self.error is None and all(frame.error is None for frame in self.frames)

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``cosem decode --json``."""
        error = self.error or next((frame.error for frame in self.frames if frame.error is not None), None)
        if len(self.frames) == 1:
            answer = self.frames[0].to_json(self.country)
        elif self.frames:
            answer = {"frames": [frame.to_json(self.country) for frame in self.frames]}
        else:
            answer = {"layers": [], "value": None}
        answer.pop("error", None)
        if error is not None:
            answer = {"error": error.to_json(), **answer}
            if "frames" not in answer:
                answer.pop("value", None)
        return answer


def value_json(value: Value) -> Any:
    """Return a value, or a list of them, in the JSON form of the command line."""
    if value is None:
        return None
    if isinstance(value, Data):
        return to_json(value)
    return [to_json(item) if isinstance(item, Data) else item for item in value]

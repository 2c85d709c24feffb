"""Behaviour of compact data (class 62): values of several attributes in one buffer, their types apart from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cosem.classes.c062_compact_data import CaptureMethod, CompactDataV0
from cosem.classes.common import CaptureObject
from cosem.codec.compact import encode_contents, encode_description
from cosem.codec.data import Data, Tag, TypeDescription
from cosem.device.associations import ASSOCIATION_CLASSES
from cosem.device.host import Host
from cosem.errors import ConfigError, EncodeError
from cosem.obis import obis
from cosem.results import DataAccessResult

MAX_OBJECTS = 64
"""Bounds what a client can make a meter put together."""
_NULL = Data(Tag.NULL_DATA, None)
_NEVER_CAPTURED = (*ASSOCIATION_CLASSES, 62, 65)
"""Classes that are not captured: secrets would come out, and what shows other attributes would show itself in them."""


def type_of(value: Data) -> TypeDescription:
    """Return the type of a value. Raises `EncodeError` for an array of different types and for a compact-array."""
    if value.tag is Tag.STRUCTURE:
        return TypeDescription(Tag.STRUCTURE, tuple(map(type_of, value.value)))
    if value.tag is Tag.ARRAY:
        kinds = list(map(type_of, value.value)) or [TypeDescription(Tag.NULL_DATA)]
        if any(kind != kinds[0] for kind in kinds):
            raise EncodeError("an array of different types has no type description")
        return TypeDescription(Tag.ARRAY, (kinds[0],), len(value.value))
    if value.tag is Tag.COMPACT_ARRAY:
        raise EncodeError("a compact-array has no place in compact data")
    return TypeDescription(value.tag)


class CompactDataBehaviour:
    """One compact data object. The first of what is captured is its own template_id.

    The description is that of a structure as compact-arrays have it, made with the buffer. What cannot be read is
    null-data, and so is what has no description. Another list or template empties the buffer. Raises `ConfigError` for
    a list that does not begin with the template.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        captures: Sequence[CaptureObject],
        template: int,
        method: CaptureMethod = CaptureMethod.BY_METHOD,
    ) -> None:
        self._host = host
        self._name = obis(name)
        self._captures = tuple(captures)
        if not self._fits(self._captures):
            raise ConfigError("compact data captures its own template_id first")
        self._buffer, self._description = b"", b""
        self.object = host.add(
            CompactDataV0(self._name, capture_objects=self._captures, template_id=template, capture_method=method)
        )
        host.compute(self.object, 2, self._read)
        host.compute(self.object, 5, lambda: Data(Tag.OCTET_STRING, self._description))
        host.handle(self.object, 1, lambda parameter: self._empty())
        host.handle(self.object, 2, lambda parameter: self._capture())
        host.writers(self.object, {3: self._write_captures, 4: self._write_template})

    def _fits(self, captures: Sequence[CaptureObject]) -> bool:
        """Whether everything is there to be captured, and nothing of it secret or the buffer itself."""
        own = CaptureObject(CompactDataV0.class_id, self._name, 4)
        if not captures or captures[0] != own or len(captures) > MAX_OBJECTS:
            return False
        return all(
            item.class_id not in _NEVER_CAPTURED
            and item.logical_name != self._name
            and (obj := self._host.find(item.logical_name, item.class_id)) is not None
            and item.attribute_index in obj.attributes
            for item in captures[1:]
        )

    def _read(self) -> Data:
        if self.object.capture_method == CaptureMethod.WHEN_READ:
            self._capture()
        return Data(Tag.OCTET_STRING, self._buffer)

    def _capture(self) -> None:
        values, kinds = [], []
        for class_id, name, attribute, index in self._captures:
            value = self._host.read(class_id, name, attribute, index) or _NULL
            try:
                kind = type_of(value)
            except EncodeError:
                value, kind = _NULL, TypeDescription(Tag.NULL_DATA)
            values.append(value)
            kinds.append(kind)
        whole = TypeDescription(Tag.STRUCTURE, tuple(kinds))
        self._description = encode_description(whole)
        self._buffer = encode_contents(whole, (Data(Tag.STRUCTURE, tuple(values)),))

    def _empty(self) -> None:
        self._buffer, self._description = b"", b""

    def _write_captures(self, value: Data) -> DataAccessResult:
        captures: tuple[CaptureObject, ...] = CompactDataV0.attributes[3].type.from_data(value)
        if not self._fits(captures):
            return DataAccessResult.OTHER_REASON
        self._captures = captures
        return self._hold(3, value)

    def _write_template(self, value: Data) -> DataAccessResult:
        return self._hold(4, value)

    def _hold(self, number: int, value: Data) -> DataAccessResult:
        store: Any = self.object.store
        store.values[number] = value
        self._empty()
        return DataAccessResult.SUCCESS

"""Behaviour of the parameter monitor (class 65): the listed attribute that was written last, and a digest of all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cosem.classes.c065_parameter_monitor import ParameterMonitor
from cosem.classes.common import AttributeReference, attribute_reference
from cosem.classes.model import InterfaceClass
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.associations import ASSOCIATION_CLASSES
from cosem.device.causes import Cause
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.obis import Obis, obis
from cosem.results import ActionResult, DataAccessResult

PARAMETER_MONITOR = "0-0:16.2.0.255"
MAX_PARAMETERS = 200
"""Bounds what a client can make a meter look at and put into one answer."""
SHA_256 = 0
"""hash_algorithm_id. No public source says what the codes mean; the digest here is SHA-256, whatever the code."""
_NULL = Data(Tag.NULL_DATA, None)
_NO_TIME = bytes.fromhex("ffffffffffffffffff8000ff")


class ParameterMonitorBehaviour:
    """One parameter monitor: every write of a listed attribute counts, also of the value that it had.

    The digest is over the A-XDR octets of the listed values in their order. Of what holds a secret neither value nor
    digest shows anything: association objects cannot be listed.
    """

    def __init__(
        self, host: Host, parameters: Sequence[AttributeReference] = (), name: str = PARAMETER_MONITOR
    ) -> None:
        self._host = host
        self._parameters = [_key(item) for item in parameters]
        self._changed: tuple[AttributeReference, Data] | None = None
        self._at: int | None = None
        self.object = host.add(
            ParameterMonitor(
                obis(name),
                parameter_list=tuple(parameters),
                parameter_list_name=b"parameters",
                hash_algorithm_id=SHA_256,
            )
        )
        host.compute(self.object, 2, self._last_changed)
        host.compute(
            self.object, 3, lambda: Data(Tag.DATE_TIME, _NO_TIME if self._at is None else host.clock.octets(self._at))
        )
        host.compute(self.object, 7, lambda: Data(Tag.OCTET_STRING, self.digest()))
        host.compute(self.object, 8, lambda: Data(Tag.STRUCTURE, self.values()))
        host.handle(self.object, 1, self._add)
        host.handle(self.object, 2, self._delete)
        host.writers(self.object, {4: self._write_list})
        host.device.on_write.append(self._written)

    # --- what it shows -------------------------------------------------------------------------------------

    def _last_changed(self) -> Data:
        reference, value = self._changed or (AttributeReference(0, Obis(bytes(6)), 0), _NULL)
        return Data(Tag.STRUCTURE, (*attribute_reference.to_data(reference).value, value))

    def values(self) -> tuple[Data, ...]:
        """Return the values of the listed attributes, null-data for what cannot be read."""
        return tuple(self._host.read(*key) or _NULL for key in self._parameters)

    def digest(self) -> bytes:
        """Return the digest of the values."""
        return hashlib.sha256(b"".join(map(axdr.encode, self.values()))).digest()

    # --- the list ------------------------------------------------------------------------------------------

    def _write_list(self, value: Data) -> DataAccessResult:
        items: tuple[AttributeReference, ...] = ParameterMonitor.attributes[4].type.from_data(value)
        keys = [_key(item) for item in items]
        if len(keys) > MAX_PARAMETERS or len(set(keys)) != len(keys) or not all(map(self._exists, items)):
            return DataAccessResult.OTHER_REASON
        self._hold(keys)
        return DataAccessResult.SUCCESS

    def _add(self, item: AttributeReference) -> None:
        """Add an attribute; one that is listed already is no error."""
        key = _key(item)
        if key in self._parameters:
            return
        if len(self._parameters) >= MAX_PARAMETERS or not self._exists(item):
            raise Refused(ActionResult.OTHER_REASON)
        self._hold([*self._parameters, key])

    def _delete(self, item: AttributeReference) -> None:
        key = _key(item)
        if key not in self._parameters:
            raise Refused(ActionResult.OTHER_REASON)
        self._hold([other for other in self._parameters if other != key])

    def _exists(self, item: AttributeReference) -> bool:
        if item.class_id in ASSOCIATION_CLASSES:
            return False
        obj = self._host.find(item.logical_name, item.class_id)
        return obj is not None and obj is not self.object and item.attribute_index in obj.attributes

    def _hold(self, keys: list[tuple[int, Obis, int]]) -> None:
        self._parameters = keys
        self.object.parameter_list = tuple(AttributeReference(*key) for key in keys)

    # --- changes -------------------------------------------------------------------------------------------

    def _written(self, obj: InterfaceClass, attribute: int, value: Data) -> None:
        key = (obj.class_id, obj.obis, attribute)
        if key not in self._parameters:
            return
        self._changed = AttributeReference(*key), value
        self._at = self._host.clock.now
        self._host.note(Cause.PARAMETER_CHANGED, class_id=obj.class_id, name=obj.obis, attribute=attribute)


def _key(item: AttributeReference) -> tuple[int, Obis, int]:
    return item.class_id, item.logical_name, item.attribute_index

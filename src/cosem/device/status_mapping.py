"""Behaviour of status mapping (class 63): a status word, and which entry of a reference table each of its bits is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cosem.classes.c063_status_mapping import MappingTable, StatusMapping
from cosem.codec.axdr import Data, Tag
from cosem.device.host import Host
from cosem.errors import ConfigError
from cosem.obis import obis
from cosem.results import DataAccessResult

MAX_BITS = 65536
"""Of a status word (Blue Book ed. 9, 4.3.9); entries of a table are numbered with 16 bits."""

_WIDTHS = {
    Tag.UNSIGNED: 8,
    Tag.LONG_UNSIGNED: 16,
    Tag.DOUBLE_LONG_UNSIGNED: 32,
    Tag.LONG64_UNSIGNED: 64,
}


def bits_of(word: Data) -> int:
    """Return how many bits a status word has."""
    if word.tag in _WIDTHS:
        return _WIDTHS[word.tag]
    if word.tag is Tag.BIT_STRING:
        return len(word.value)
    octets = word.value.encode("utf-8") if isinstance(word.value, str) else word.value
    return 8 * len(octets)


class StatusMappingBehaviour:
    """One status word, made by `read` when it is looked at. Its table names an entry for every bit, or the first one.

    Raises `ConfigError` for a table that does not fit the word.
    """

    def __init__(self, host: Host, name: str, read: Callable[[], Data], table: MappingTable) -> None:
        self._read = read
        if not self._fits(table):
            raise ConfigError(f"the mapping table of {name} does not fit its status word")
        self.object = host.add(StatusMapping(obis(name), mapping_table=table))
        host.compute(self.object, 2, read)
        host.writers(self.object, {3: self._write_table})

    def _fits(self, table: MappingTable) -> bool:
        bits = bits_of(self._read())
        if bits % 8 or bits > MAX_BITS:
            return False
        mapping = table.ref_table_mapping
        return mapping + bits <= MAX_BITS if isinstance(mapping, int) else len(mapping) == bits

    def _write_table(self, value: Data) -> DataAccessResult:
        if not self._fits(StatusMapping.attributes[3].type.from_data(value)):
            return DataAccessResult.OTHER_REASON
        store: Any = self.object.store
        store.values[3] = value
        return DataAccessResult.SUCCESS

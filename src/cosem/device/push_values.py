"""What a push carries: attributes, elements of them, and rows of profiles by date, by entry or relative to now.

Relative ranges stand in data_index of a profile's buffer: the upper nibble is the scope, the next one the number of
columns from the left (0 = all), the lower octet how many. The scopes are recalled from the Blue Book (ed. 12), not
found again in a public source.
"""

from __future__ import annotations

from typing import Any, Final

from cosem.apdu.base import SelectiveAccess
from cosem.classes.protection import RestrictedColumns, RestrictionByDate, RestrictionByEntry
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag, encode_length
from cosem.device.associations import ASSOCIATION_CLASSES, Association
from cosem.device.host import Host
from cosem.errors import DecodeError
from cosem.results import DataAccessResult

ENTRIES = 0xF
SCOPES: Final = {0x1: 1, 0x2: 60, 0x3: 3600, 0x4: 86400, 0x5: 7 * 86400}
"""Scope -> seconds: the last so many seconds, minutes, hours, days, weeks."""
RELATIVE = 0x1000
"""The first data_index that is a relative range; below it is the number of an element."""
_NULL = b"\x00"


def is_known(item: Any) -> bool:
    """Whether the data_index of an element means something here."""
    index = item.data_index
    return index < RELATIVE or index >> 12 == ENTRIES or index >> 12 in SCOPES


def values(host: Host, association: Association | None, items: list[Any], since: int | None) -> bytes:
    """Return the notification body: a structure of the values as they are now, null-data for what cannot be read.

    What the client of the push may not read is not pushed either. `since`: rows of whole buffers from before are left
    out.
    """
    parts = [_value(host, association, RestrictedColumns(*item), since) for item in items]
    return b"\x02" + encode_length(len(parts)) + b"".join(parts)


def _value(host: Host, association: Association | None, item: RestrictedColumns, since: int | None) -> bytes:
    obj = host.find(item.logical_name, item.class_id)
    # What an association is depends on its session, and it holds secrets.
    if obj is None or association is None or item.class_id in ASSOCIATION_CLASSES:
        return _NULL
    if item.attribute_index == 0:
        every = [item._replace(attribute_index=number, data_index=0) for number in obj.attributes]
        octets = [_value(host, association, one, since) for one in every]
        return b"\x02" + encode_length(len(octets)) + b"".join(octets)
    entry = association.attributes.get((item.class_id, bytes(item.logical_name), item.attribute_index))
    if entry is None or not entry.access & 0x01:
        return _NULL
    reader = host.device.readers.get((bytes(item.logical_name), item.attribute_index))
    if reader is None:
        data = host.read(item.class_id, item.logical_name, item.attribute_index, item.data_index)
        return _NULL if data is None else axdr.encode(data)
    answer = reader(_selection(host, item, since))
    if isinstance(answer, DataAccessResult):
        return _NULL
    try:
        return _columns(host, item, answer)
    except DecodeError:
        return _NULL


def _selection(host: Host, item: RestrictedColumns, since: int | None) -> SelectiveAccess | None:
    """Return what of a buffer is meant."""
    scope, many = item.data_index >> 12, item.data_index & 0xFF
    restriction = item.restriction.restriction_value
    now = host.clock.now
    if isinstance(restriction, RestrictionByDate):
        return _by_time(restriction.from_date, restriction.to_date)
    if isinstance(restriction, RestrictionByEntry):
        return _by_entry(restriction.from_entry, restriction.to_entry)
    if scope == ENTRIES:
        used = host.read(item.class_id, item.logical_name, 7)
        count = used.value if used is not None else 0
        return _by_entry(max(1, count - many + 1), 0 if many else 1)
    if scope in SCOPES:
        return _by_time(host.clock.octets(now - many * SCOPES[scope]), host.clock.octets(now))
    if since is not None:
        return _by_time(host.clock.octets(since + 1), host.clock.octets(now))
    return None


def _by_time(first: bytes, last: bytes) -> SelectiveAccess:
    clock = axdr.structure(
        Data(Tag.LONG_UNSIGNED, 8),
        axdr.octet_string(bytes((0, 0, 1, 0, 0, 255))),
        axdr.integer(2),
        Data(Tag.LONG_UNSIGNED, 0),
    )
    ends = (axdr.octet_string(first), axdr.octet_string(last))
    return SelectiveAccess(1, axdr.encode(axdr.structure(clock, *ends, Data(Tag.ARRAY, ()))))


def _by_entry(first: int, last: int) -> SelectiveAccess:
    entries = (Data(Tag.DOUBLE_LONG_UNSIGNED, first), Data(Tag.DOUBLE_LONG_UNSIGNED, last))
    columns = (Data(Tag.LONG_UNSIGNED, 1), Data(Tag.LONG_UNSIGNED, 0))
    return SelectiveAccess(2, axdr.encode(axdr.structure(*entries, *columns)))


def _columns(host: Host, item: RestrictedColumns, octets: bytes) -> bytes:
    """Return the rows with the columns that are wanted, in the order in which they are."""
    first = item.data_index >> 8 & 0x0F if item.data_index >= RELATIVE else 0
    element = item.data_index if 0 < item.data_index < RELATIVE else 0
    if not (first or element or item.columns):
        return octets
    rows = axdr.decode(octets).value
    if element:
        return axdr.encode(rows[element - 1]) if element <= len(rows) else _NULL
    wanted = list(range(first)) if first else _positions(host, item)
    if wanted is None:
        return _NULL
    picked = [Data(Tag.STRUCTURE, tuple(row.value[n] for n in wanted if n < len(row.value))) for row in rows]
    return axdr.encode(Data(Tag.ARRAY, tuple(picked)))


def _positions(host: Host, item: RestrictedColumns) -> list[int] | None:
    captured = host.read(item.class_id, item.logical_name, 3)
    if captured is None:
        return None
    there = [tuple(part.value for part in column.value) for column in captured.value]
    asked = [(c.class_id, bytes(c.logical_name), c.attribute_index, c.data_index) for c in item.columns]
    return [there.index(column) for column in asked] if all(column in there for column in asked) else None

"""What comes with the devices of a neighbourhood from the factory: a shipment file as head-ends import it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cosem.security.keys import Keys
from cosem.security.keywrap import wrap
from cosem.simulator.neighbourhood.neighbourhood import Neighbourhood
from cosem.simulator.neighbourhood.unit import MeterUnit, Unit

DEMO_TRANSPORT_KEY: Final = bytes(range(0x90, 0xA0))
"""What keys are wrapped under unless another key is given: worth nothing."""
_KEYS: Final = ("global_unicast_encryption_key", "authentication_key", "master_key")


def shipment(
    neighbourhood: Neighbourhood, host: str, ports: Mapping[str, int], transport_key: bytes = DEMO_TRANSPORT_KEY
) -> dict[str, Any]:
    """Return the document of a shipment: every device in use, reached at the `ports` of its site, its keys wrapped.

    Meters on the power line are read from what their concentrator keeps (`kept_url` of their details).
    """
    return {"devices": [_row(neighbourhood, unit, host, ports, transport_key) for unit in neighbourhood.units.values()]}


def _row(
    neighbourhood: Neighbourhood, unit: Unit, host: str, ports: Mapping[str, int], transport_key: bytes
) -> dict[str, Any]:
    sheet = unit.sheet
    port = ports[neighbourhood.sites[unit.site].name]
    base = f"tcp://{f'[{host}]' if ':' in host else host}:{port}"
    row: dict[str, Any] = {
        "name": sheet.name,
        "kind": sheet.kind,
        "type": sheet.model,
        "segment": sheet.segment,
        "place": sheet.place,
        "state": "in use",
    }
    details: dict[str, Any] = {}
    if sheet.query is not None:
        row["url"] = f"{base}?{sheet.query}"
    if sheet.system_title is not None:
        row["system_title"] = bytes(sheet.system_title).hex()
    if sheet.parent is not None:
        row["parent"] = sheet.parent
    if sheet.channel is not None:
        row["channel"] = sheet.channel
    if sheet.identity is not None:
        details["mbus"] = sheet.identity
    if isinstance(unit, MeterUnit) and unit.station:
        details["kept_url"] = f"{base}?{neighbourhood.line.kept(unit)}"
    if sheet.tags:
        row["tags"] = list(sheet.tags)
    if details:
        row["details"] = details
    if sheet.keys is not None:
        row["keys"] = _wrapped(sheet.keys, transport_key)
    return row


def _wrapped(keys: Keys, transport_key: bytes) -> dict[str, str]:
    held = {name: getattr(keys, name) for name in _KEYS}
    return {name: wrap(transport_key, key).hex() for name, key in held.items() if key is not None}

"""Every message for a broker that follows from what is known just now. What is retained is the whole state."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cosem.headend.home.discovery import base, bridge, config_topic, discovery
from cosem.headend.home.meters import Meter
from cosem.headend.home.settings import HomeSettings
from cosem.headend.home.styles import dsmr, wmbusmeters


@dataclass(frozen=True, slots=True)
class Told:
    """One message. `device` is whose it is, None the head-end's own. All but those of wmbusmeters are retained."""

    device: int | None
    topic: str
    payload: bytes
    retain: bool = True


def own(settings: HomeSettings) -> Iterator[Told]:
    """Yield what tells of the head-end itself, but for its status."""
    if settings.discovery is not None:
        yield Told(None, config_topic(settings, None), _json(bridge(settings)))


def messages(
    settings: HomeSettings,
    found: Iterable[Meter],
    now: float,
    *,
    gone: Mapping[int, Mapping[str, str]] | None = None,
    everybody: Iterable[Meter] | None = None,
) -> Iterator[Told]:
    """Yield the messages of these devices: discovery first, then whether they are there, then their state.

    `everybody` are all devices that are told of, where `found` are some of them: who is the only one changes topics.
    """
    found = list(found)
    for meter in found:
        if settings.discovery is not None:
            document = discovery(settings, meter, (gone or {}).get(meter.number))
            yield Told(meter.number, config_topic(settings, meter.number), _json(document))
    for meter in found:
        where = base(settings, meter)
        there = meter.fresh(now, settings.fresh)
        yield Told(meter.number, f"{where}/availability", b"online" if there else b"offline")
        yield Told(meter.number, f"{where}/state", _json(meter.state()))
    numbers = {meter.number for meter in found}
    whole = found if everybody is None else list(everybody)
    if settings.dsmr is not None:
        for number, topic, payload in dsmr(settings.dsmr, whole):
            if number in numbers:
                yield Told(number, topic, payload.encode())
    if settings.wmbusmeters is not None:
        for number, topic, payload in wmbusmeters(settings.wmbusmeters, found):
            yield Told(number, topic, payload.encode(), retain=False)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

"""Power line frames of the tests' own data, and stations on small feeders."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cosem.plc.mac import Mac
from cosem.plc.mac_events import MacEvent, MacIndication
from cosem.plc.mac_settings import MacSettings
from cosem.plc.reception import Reception, received
from cosem.simulator.feeder import Feeder
from cosem.simulator.feeder_channel import FeederChannel
from cosem.simulator.feeder_medium import FeederMedium

INITIATOR = 0xC00
_DATA = Path(__file__).parents[1] / "data" / "plc_frames.jsonl"


def frames(form: str) -> list[dict[str, Any]]:
    """Return the frames of one form: ``line`` (MAC frames) or ``modem`` (messages to one)."""
    rows = (json.loads(line) for line in _DATA.read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row["form"] == form]


def heard(level: float = 100.0, noise: float = 40.0) -> Reception:
    """Return the figures of a reception with both tones alike."""
    return received(level, noise, level, noise)


def initiator(**settings: Any) -> Mac:
    """Return an initiator with the address C00."""
    return Mac(MacSettings(initiator=True, **settings), address=INITIATOR)


@dataclass
class Street:
    """A concentrator and its registered meters on a feeder, and all that their MAC layers told."""

    medium: FeederMedium
    told: list[tuple[int, MacEvent, int]] = field(default_factory=list)

    def of(self, kind: type[Any]) -> list[tuple[int, Any]]:
        """Return the events of one kind with their stations."""
        return [(station, event) for station, event, _ in self.told if isinstance(event, kind)]

    @property
    def indications(self) -> list[tuple[int, MacIndication]]:
        """Return what was delivered, with the station."""
        return self.of(MacIndication)


def street(feeder: Feeder, *, eager: bool = False, seed: int = 1, **settings: Any) -> Street:
    """Return a concentrator and meters with the addresses 1, 2, ... that follow it."""
    macs = [initiator(**settings)]
    macs += [
        Mac(MacSettings(**settings), address=number, initiator=INITIATOR) for number in range(1, len(feeder.stations))
    ]
    made = Street(FeederMedium(FeederChannel(feeder, seed=seed), macs, eager=eager, seed=seed))
    made.medium.watch = lambda station, event, now: made.told.append((station, event, now))
    return made

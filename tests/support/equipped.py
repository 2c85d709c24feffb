"""A meter with everything in it, what happened to it, and pushes caught in memory."""

from __future__ import annotations

from typing import Any

from cosem.apdu import parse
from cosem.codec import axdr
from cosem.device.meter import ElectricityMeter
from cosem.device.way_out import Delivery
from cosem.results import DataAccessResult
from support.meters import build, utc

START = utc(2026, 6, 1, 10)
TO = b"192.0.2.1:4059"


class Net:
    """A network in memory: keeps what is pushed; `answers` say of each whether it arrives, True once they are over.

    None leaves it open.
    """

    def __init__(self, *answers: bool | None) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[int, Delivery]] = []
        self.meter: ElectricityMeter | None = None

    def __call__(self, delivery: Delivery) -> None:
        assert self.meter is not None
        self.sent.append((self.meter.now - START, delivery))
        answer = self.answers.pop(0) if self.answers else True
        if answer is not None:
            delivery.done(answer)

    @property
    def times(self) -> list[int]:
        return [at for at, _ in self.sent]


def equipped(net: Net | None = None, *, start: int = START, **settings: Any) -> ElectricityMeter:
    """Return a meter that was made at `START`, with destinations where there is a network."""
    meter = build(start, start, **({"policy": 0, "mechanism": 0} | settings))
    if net is not None:
        net.meter = meter
        meter.equipment.pushes.network = net
        from cosem.classes.c040_push_setup import TransportService

        meter.equipment.pushes.send_to(TransportService.TCP, TO)
    return meter


def rows(meter: ElectricityMeter, group: str) -> list[tuple[int, int]]:
    """The rows of an event log: seconds since `START`, code."""
    return [(row.time - START, row.cells[1][-1]) for row in meter.equipment.events.logs[group].buffer.rows]


def codes(meter: ElectricityMeter, group: str) -> list[int]:
    return [code for _, code in rows(meter, group)]


def later(meter: ElectricityMeter, seconds: int) -> None:
    meter.advance(START + seconds)


def write(meter: ElectricityMeter, class_id: int, name: str, attribute: int, value: axdr.Data) -> DataAccessResult:
    from cosem.obis import Obis

    return meter.host.write(class_id, Obis.parse(name), attribute, value)


def read(meter: ElectricityMeter, class_id: int, name: str, attribute: int = 2) -> Any:
    from cosem.obis import Obis

    data = meter.host.read(class_id, Obis.parse(name), attribute)
    return None if data is None else data.value


def body(delivery: Delivery) -> list[Any]:
    """What a plain push carries, as plain values."""
    service = parse(delivery.octets).service
    return [item.value for item in axdr.decode(service.data).value]

"""Wired M-Bus meters that answer with who they are, on a simulated bus with a master in virtual time."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable, Sequence
from typing import Any

from cosem.io.memory import MemoryDriver
from cosem.link.line import Line
from cosem.mbus.addresses import SecondaryAddress
from cosem.mbus.link_fields import STANDARD_LINE
from cosem.mbus.master import BusMaster, MasterTimes
from cosem.mbus.primary import Primary
from cosem.mbus.secondary import Request, SecondaryStation
from cosem.simulator.mbus_bus import PERFECT, BusQuality, SimulatedBus

VOLUME = b"\x04\x13"


def meter(
    number: str = "12345678", letters: str = "KAM", version: int = 1, medium: int = 4, **more: Any
) -> SecondaryAddress:
    return SecondaryAddress.of(number, letters, version, medium, **more)


class Counter:
    """An application: the volume is the number of answers so far, in as many telegrams as `parts` says."""

    def __init__(self, identity: SecondaryAddress, parts: int = 1) -> None:
        self.identity = identity
        self.parts = parts
        self.answers = 0
        self.requests: list[Request] = []
        self.accepted: list[tuple[int, bytes]] = []
        self.serves = True
        self.alarms: list[tuple[int, bytes]] = []

    def answer(self, request: Request) -> Sequence[tuple[int, bytes]]:
        self.requests.append(request)
        if request.alarm:
            return self.alarms
        self.answers += 1
        header = self.identity.octets + bytes((request.access_number, 0, 0, 0))
        value = VOLUME + self.answers.to_bytes(4, "little")
        return [(0x72, header + value + (b"\x1f" if part < self.parts - 1 else b"")) for part in range(self.parts)]

    def accept(self, ci: int, octets: bytes) -> bool:
        self.accepted.append((ci, octets))
        return self.serves


def station(identity: SecondaryAddress | None = None, *, parts: int = 1, **settings: Any) -> SecondaryStation:
    identity = identity or meter()
    return SecondaryStation(Counter(identity, parts), identity, **settings)


class Wired:
    """A bus in memory: `run` runs a conversation of its master."""

    def __init__(
        self,
        stations: Iterable[SecondaryStation],
        *,
        seed: int = 1,
        quality: BusQuality = PERFECT,
        times: MasterTimes | None = None,
        echo: bool = False,
    ) -> None:
        rnd = random.Random(seed)
        line = Line(STANDARD_LINE)
        self.bus = SimulatedBus(stations, line=line, random=rnd.random, quality=quality, echo=echo)
        self.master = BusMaster(line, times)
        self.driver = MemoryDriver(self.master, self.bus)
        self.primary = Primary(self.master)

    def run(self, conversation: Generator[Any, Any, Any]) -> Any:
        return self.driver.run(conversation)


def crowd(count: int, seed: int) -> list[SecondaryStation]:
    """Stations with random addresses, of which six share their numbers in all the ways there are.

    Primary addresses and times of reaction are random too, so that some of both collide.
    """
    rnd = random.Random(seed)
    numbers = rnd.sample(range(10**8), count)
    identities = [
        meter(f"{number:08d}", rnd.choice(("KAM", "ACW", "ELS")), rnd.randrange(60), rnd.choice((2, 3, 4, 6, 7)))
        for number in numbers
    ]
    if count >= 6:
        first, second, third = (identities[index].octets for index in range(3))
        identities[3] = SecondaryAddress(first[:7] + bytes((first[7] ^ 8,)))
        identities[4] = SecondaryAddress(second[:6] + bytes((second[6] ^ 1, second[7])))
        identities[2] = SecondaryAddress(third, bytes.fromhex("78563412"))
        identities[5] = SecondaryAddress(third, bytes.fromhex("79563412"))
    rnd.shuffle(identities)
    return [
        station(identity, primary=rnd.randrange(251), reaction=0.005 + 0.1 * rnd.random()) for identity in identities
    ]

"""The asyncio driver hangs up in its turn: what was asked before goes out, and what comes later is nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from cosem.apdu.base import AttributeDescriptor
from cosem.apdu.set import SetRequestNormal
from cosem.association.conversations import open_association
from cosem.association.initiator import Initiator
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Dial, Hangup, Post
from cosem.io.aio import AsyncioDriver
from cosem.link.wrapper import WrapperLink
from cosem.obis import obis

REQUEST = SetRequestNormal(AttributeDescriptor(3, obis("1-0:1.8.0"), 2), None, b"\x11\x05")


class Line:
    """What the driver opens: keeps what happened to it, in order, and lets anything be heard."""

    def __init__(self) -> None:
        self.happened: list[Any] = []
        self.ends: list[asyncio.Protocol] = []

    async def open(self, wire: asyncio.Protocol) -> Line:
        self.ends.append(wire)
        self.happened.append("open")
        return self

    def write(self, octets: bytes) -> None:
        self.happened.append(octets)

    def close(self) -> None:
        self.happened.append("closed")


def posting(machine: Initiator) -> Generator[Any, Any, None]:
    yield Dial()
    yield from open_association(machine, bytes)
    yield Post(REQUEST)
    yield Hangup()


async def test_what_was_posted_before_a_hangup_is_sent_and_the_machine_can_dial_again():
    line, machine = Line(), Initiator(WrapperLink(), AssociationSettings(pre_established=True))
    driver = AsyncioDriver(machine, "", 0, opener=line.open)
    for _ in range(2):
        await driver.run(posting(machine))
    driver.close()
    first, second = line.happened[1], line.happened[4]
    assert line.happened == ["open", first, "closed", "open", second, "closed"]
    assert first[8:9] == second[8:9] == b"\xc1"


async def test_what_comes_by_a_connection_that_was_hung_up_is_nobodys():
    heard = []

    class Link(WrapperLink):
        def receive(self, octets: bytes, now: float) -> list[Any]:
            heard.append(octets)
            return super().receive(octets, now)

    line, machine = Line(), Initiator(Link(), AssociationSettings(pre_established=True))
    driver = AsyncioDriver(machine, "", 0, opener=line.open)

    def listening() -> Generator[Any, Any, None]:
        yield Dial()
        line.ends[-1].data_received(b"\x00\x01")
        yield Hangup()
        line.ends[-1].data_received(b"\x00\x02")
        yield Dial()
        line.ends[-2].data_received(b"\x00\x03")
        line.ends[-1].data_received(b"\x00\x04")

    await driver.run(listening())
    driver.close()
    assert heard == [b"\x00\x01", b"\x00\x04"]

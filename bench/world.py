"""What is measured: a profile, keys, an AARE, and both ends of a meter in memory."""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any

from bench.peers import AK, CLIENT_TITLE, EK, METER_TITLE
from cosem.apdu.acse import AUTHENTICATION, LN_CIPHERED, Aare
from cosem.apdu.acse_fields import USER
from cosem.apdu.base import AttributeDescriptor
from cosem.apdu.ciphered import Ciphered
from cosem.apdu.get import GetRequestNormal
from cosem.apdu.initiate import InitiateResponse
from cosem.association.conversations import open_association, release
from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Call
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.random import SeededRandom
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.security.counters import MemoryCounterStore
from cosem.security.gcm import protect
from cosem.security.keys import Keys

KEYS = Keys(EK, AK)
STORE = MemoryCounterStore()
"""Meters remember the counters of their clients, so one store serves all associations here."""
ROWS = 2976


def profile_rows() -> list[tuple[Any, ...]]:
    """Return 2,976 rows of a date-time, a status and six registers: a month of quarters."""
    rows = []
    for index in range(ROWS):
        day, quarter = divmod(index, 96)
        hour, part = divmod(quarter, 4)
        moment = struct.pack(">HBBBBBBBhB", 2026, 10, day + 1, 0xFF, hour, part * 15, 0, 0, -120, 0x80)
        rows.append((moment, 8, *(1_000_000 + index * step for step in (37, 11, 7, 5, 3, 2))))
    return rows


def profile_octets(rows: list[tuple[Any, ...]]) -> bytes:
    """Return the rows as a meter sends them."""
    out = bytearray(b"\x01\x82" + len(rows).to_bytes(2, "big"))
    for moment, status, *registers in rows:
        out += b"\x02\x08\x09\x0c" + moment + b"\x11" + bytes((status,))
        for value in registers:
            out += b"\x06" + value.to_bytes(4, "big")
    return bytes(out)


def aare_octets() -> bytes:
    """Return an AARE with GMAC challenge and a ciphered initiate response."""
    response = InitiateResponse(0x00001F1F & 0xFFFFFF, 1024).encode()
    content = protect(EK, AK, METER_TITLE, 9, 0x30, response)
    return Aare(
        LN_CIPHERED,
        0,
        USER,
        14,
        Ciphered(0x28, content).encode(),
        5,
        b"0123456789abcdef",
        responder_acse_requirements=AUTHENTICATION,
        responding_ap_title=METER_TITLE,
    ).encode()


def meter(policy: int, mechanism: int = 5) -> ElectricityMeter:
    """Return a meter with two days behind it."""
    end = int(datetime(2026, 10, 20, tzinfo=UTC).timestamp())
    settings = MeterSettings(
        system_title=METER_TITLE, mechanism=mechanism, policy=policy, keys=KEYS, max_pdu_size=65535
    )
    built = ElectricityMeter(settings, end - 2 * 86400, SeededRandom(1), simulation=True, counters=MemoryCounterStore())
    built.advance(end)
    return built


class Ends:
    """Both ends of one association, their octets handed over directly."""

    def __init__(self, built: ElectricityMeter, protection: int, mechanism: int = 5) -> None:
        settings = AssociationSettings(
            client_sap=1,
            mechanism=mechanism,
            protection=protection,
            keys=KEYS,
            system_title=CLIENT_TITLE,
            # The benchmark uses more counters in a second than a client in a year: leases are taken in large blocks.
            lease=lambda count: STORE.lease("bench", 100_000),
        )
        self.initiator = Initiator(WrapperLink(), settings)
        self.responder = Responder(WrapperLink(server=True), built.device, SeededRandom(2))

    def run(self, conversation: Generator[Any, Any, Any]) -> Any:
        """Run a conversation to its end."""
        initiator, responder = self.initiator, self.responder
        running = initiator.start(conversation, 0.0)
        while not running.done:
            while (order := initiator.driver_step()) is not None:
                initiator.answer(order[0], order[1].action(), 0.0)
            octets = initiator.take()
            if octets:
                responder.receive(octets, 0.0)
                initiator.receive(responder.take(), 0.0)
        return running.outcome()


REGISTER = AttributeDescriptor(3, Obis.parse("1-0:1.8.0"), 2)
PROFILE = AttributeDescriptor(7, Obis.parse("1-0:99.1.0"), 2)


def many_gets(count: int) -> Generator[Any, Any, None]:
    """Read a register many times in one association."""
    request = GetRequestNormal(REGISTER, None)
    for _ in range(count):
        yield Call(request)


def session(machine: Initiator, random: Callable[[int], bytes], selection: Any) -> Generator[Any, Any, bytes]:
    """Associate, read a day of the profile, release."""
    yield from open_association(machine, random)
    response = yield Call(GetRequestNormal(PROFILE, selection))
    yield from release(machine)
    data: bytes = response.data
    return data

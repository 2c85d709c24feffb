"""The meters that peers talk to: one fresh simulated meter per test, and the ways to associate with it."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cosem.device.meter import MeterSettings
from cosem.io.server import DeviceServer, serving
from cosem.link.hdlc.parameters import HdlcParameters
from cosem.simulator.meter import DEMO_KEYS, DEMO_PASSWORD, DEMO_SECRET, simulated_meter

END = datetime(2026, 11, 1, tzinfo=UTC)
"""The present of every meter here; it stands still, so that answers can be compared."""
METER_TITLE = b"CSM\x00\x00\x00\x00\x01"
CLIENT_TITLE = b"CSM\x00\x00\x00\x00\x63"
EK = bytes(DEMO_KEYS.global_unicast_encryption_key or b"")
AK = bytes(DEMO_KEYS.authentication_key or b"")
PASSWORD, SECRET = DEMO_PASSWORD, DEMO_SECRET
PATIENCE = 3.0
"""Seconds for one answer: everything is on this machine."""

TRANSPORTS = ("wrapper", "hdlc")


@dataclass(frozen=True)
class Case:
    """One way to associate. `policy` is that of class 64 version 0: 1 authenticated, 2 encrypted, 3 both."""

    name: str
    mechanism: int = 0
    policy: int = 0
    form: str = "glo"
    client: int = 1
    full: bool = True
    referencing: str = "ln"

    def __str__(self) -> str:
        return self.name


CASES = (
    Case("public", client=16, full=False),
    Case("none"),
    Case("low", 1),
    Case("high (AES-ECB)", 2),
    Case("high-md5", 3),
    Case("high-sha1", 4),
    Case("high-gmac", 5),
    Case("high-sha256", 6),
    Case("none + both", 0, 3),
    Case("low + both", 1, 3),
    Case("high-gmac + auth", 5, 1),
    Case("high-gmac + enc", 5, 2),
    Case("high-gmac + both", 5, 3),
    Case("high-sha256 + both", 6, 3),
    Case("high-gmac + both, general-glo", 5, 3, "general"),
    Case("high-gmac + both, dedicated", 5, 3, "ded"),
    Case("short names, public", client=16, full=False, referencing="sn"),
    Case("short names, none", referencing="sn"),
    Case("short names, low", 1, referencing="sn"),
    Case("short names, low + both", 1, 3, referencing="sn"),
    Case("short names, high-sha256", 6, referencing="sn"),
    Case("short names, high-gmac + both", 5, 3, referencing="sn"),
)


def aes_ecb(challenge: bytes, secret: bytes) -> bytes:
    """Mechanism 2 as most who have it do it: the challenge under AES-128 in ECB mode."""
    encryptor = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()  # the manufacturers' choice, not ours
    return encryptor.update(challenge + bytes(-len(challenge) % 16)) + encryptor.finalize()


def not_possible(why: str) -> NoReturn:
    """End a test: the peer has no such thing."""
    pytest.skip(f"not possible: {why}")


_counters = itertools.count(100_000, 10_000)


def next_counter() -> int:
    """Return an invocation counter for a new session, greater than all that earlier ones used."""
    return next(_counters)


@dataclass
class Place:
    """Where a meter is served, and which."""

    meter: Any
    address: tuple[str, int]
    transport: str
    case: Case

    def value(self, name: str, attribute: int = 2) -> Any:
        """Return what the meter itself holds, past all protocols."""
        from cosem.obis import obis

        return self.meter.logical.objects[bytes(obis(name))].store.data(attribute).value


@contextmanager
def served(
    case: Case, transport: str, *, max_pdu_size: int = 1024, limits: HdlcParameters | None = None
) -> Iterator[Place]:
    """Serve a fresh meter that has lived two days."""
    settings = MeterSettings(
        system_title=METER_TITLE,
        mechanism=case.mechanism if case.full else 0,
        policy=case.policy,
        keys=DEMO_KEYS,
        secret=PASSWORD if case.mechanism == 1 else SECRET,
        password=PASSWORD,
        max_pdu_size=max_pdu_size,
        manufacturer=aes_ecb,
        referencing=case.referencing,
    )
    meter = simulated_meter(seed=1, end=END, days=2, settings=settings)
    server = DeviceServer(meter.device, framing=transport, parameters=limits)
    with serving(server) as (address,):
        yield Place(meter, address, transport, case)


class Wire:
    """A connection that gives up in time, and keeps what went over it for the report of a failure."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.log: list[tuple[str, bytes]] = []
        self.socket: socket.socket | None = None
        self.tamper: Any = None

    def connect(self) -> None:
        self.socket = socket.create_connection(self.address, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def disconnect(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def send(self, octets: bytes) -> None:
        assert self.socket is not None
        self.log.append((">", bytes(octets)))
        self.socket.sendall(octets)

    def recv_some(self) -> bytes:
        """Return what has come. Raises `ConnectionError` at the end, `TimeoutError` where nothing comes."""
        assert self.socket is not None
        octets = self.socket.recv(65536)
        if not octets:
            raise ConnectionError("the other side closed the connection")
        if self.tamper is not None:
            octets = self.tamper(octets)
        self.log.append(("<", octets))
        return octets

    def trace(self) -> str:
        """Return everything that went over the wire as lines of hexadecimal octets."""
        return "\n".join(f"{way} {octets.hex(' ')}" for way, octets in self.log)


class BufferedWire(Wire):
    """A wire with the reading methods that dlms-cosem asks of its input and output."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address)
        self._held = bytearray()

    def recv(self, amount: int = 1) -> bytes:
        while len(self._held) < amount:
            self._held += self.recv_some()
        octets = bytes(self._held[:amount])
        del self._held[:amount]
        return octets

    def recv_until(self, end: bytes) -> bytes:
        octets = b""
        while not octets.endswith(end):
            octets += self.recv()
        return octets

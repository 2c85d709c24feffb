"""Meters for tests: small, quick to make, and the same every time."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from cosem.association.server import Session
from cosem.conformance_block import LN_CORE
from cosem.device.causes import Cause
from cosem.device.clock import DeviceClock
from cosem.device.device import PhysicalDevice
from cosem.device.host import Host
from cosem.device.logical_device import LogicalDevice
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.random import SeededRandom
from cosem.link.base import Address
from cosem.security.counters import MemoryCounterStore
from cosem.security.keys import Keys

KEYS = Keys(
    global_unicast_encryption_key=bytes(range(0x10)),
    authentication_key=bytes(range(0xD0, 0xE0)),
    master_key=bytes(range(0x20, 0x30)),
)
PASSWORD = b"12345678"


def utc(*parts: int) -> int:
    """Return UTC seconds since 1970."""
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc]


def build(start: int, end: int, *, seed: int = 1, **settings: object) -> ElectricityMeter:
    """Return a meter that has lived from `start` to `end`."""
    chosen = MeterSettings(keys=KEYS, password=PASSWORD, secret=b"0123456789abcdef", **settings)  # type: ignore[arg-type]
    meter = ElectricityMeter(chosen, start, SeededRandom(seed), simulation=True, counters=MemoryCounterStore())
    meter.advance(end)
    return meter


@lru_cache(maxsize=4)
def two_days() -> ElectricityMeter:
    """Return a meter of two June days, shared by tests that only read."""
    return build(utc(2026, 6, 1), utc(2026, 6, 3))


def session(meter: ElectricityMeter, client: int, protection: int = 0) -> Session:
    """Return an open session of a client, as the responder would make it."""
    address = Address(client, 1)
    profile = meter.device.association_profile(address)
    assert profile is not None
    made = Session(profile, address, status=2, conformance=LN_CORE, client_max_pdu_size=1024)
    made.request_protection = protection
    meter.device.opened(made)
    return made


def bare_host(start: int = utc(2026, 6, 1)) -> Host:
    """Return the inside of a device that has nothing but a clock: for behaviours on their own."""
    device = PhysicalDevice(b"CSM\x00\x00\x00\x00\x01", start, SeededRandom(1), simulation=True)
    clock = DeviceClock(lambda: device.now)
    logical = device.add(LogicalDevice(1, b"CSMbare"))
    logical.add(clock.object)
    return Host(device, logical, clock)


def causes_of(host: Host) -> list[Cause]:
    """Return a list that fills with what happens from now on."""
    causes: list[Cause] = []
    host.causes.listeners.append(lambda happening: causes.append(happening.cause))
    return causes

"""Our client against the meters that others wrote, as far as those can answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cosem.association.conversations import release
from cosem.client import ClientOptions, DeviceKeys, Meter, connect
from cosem.codec import axdr
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, DEMO_PASSWORD, DEMO_SECRET
from interop.world import TRANSPORTS, Case

DEVICE = DeviceKeys("peer", DEMO_KEYS, password=DEMO_PASSWORD, hls_secret=DEMO_SECRET)
AUTHENTICATION = {0: "none", 1: "low", 5: "high-gmac"}
CASES = (Case("none"), Case("low", 1), Case("high-gmac", 5), Case("high-gmac + both", 5, 3))

pytestmark = pytest.mark.row("Our client, their meter")


@pytest.fixture(params=["gurux-dlms"])
def peer(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@contextmanager
def answered(server: Any) -> Iterator[None]:
    """Count it as the peer's fault, and only then, where its server raised an exception instead of answering."""
    try:
        yield
    except Exception:
        if server.faults:
            pytest.xfail(f"its server raises {server.faults[0]}")
        raise


@pytest.fixture
def meter(peer: str, transport: str, case: Case) -> Iterator[tuple[Meter, Any]]:
    pytest.importorskip("gurux_dlms", reason=f"{peer} is not installed")
    from interop.gurux_server import serving

    scheme = "hdlc+tcp" if transport == "hdlc" else "tcp"
    query = f"client=1&auth={AUTHENTICATION[case.mechanism]}&timeout=2" + ("&security=both" if case.policy else "")
    octets: list[Any] = []
    with serving(transport) as ((host, port), server):
        try:
            with answered(server):
                meter = connect(
                    f"{scheme}://{host}:{port}?{query}",
                    device=DEVICE,
                    counters=MemoryCounterStore(),
                    options=ClientOptions(retries=0, reconnects=0),
                    trace=lambda *args: octets.append(args),
                )
            with meter:
                yield meter, answered(server)
        finally:
            for way, part in octets:
                print(way, bytes(part).hex(" "))


def test_associate(meter: Any) -> None:
    client, answers = meter
    with answers:
        assert client.get(1, "0-0:96.1.0.255", 2).value == b"10000001"


def test_registers(meter: Any) -> None:
    client, answers = meter
    with answers:
        assert client.get(3, "1-0:1.8.0.255", 2).value == 123456
        assert str(client.quantity("1-0:1.8.0.255")) == "123456 Wh"


def test_clock(meter: Any) -> None:
    client, answers = meter
    with answers:
        assert client.clock().isoformat() == "2026-11-01T01:00:00+01:00"


def test_objects(meter: Any) -> None:
    client, answers = meter
    with answers:
        assert {element.class_id for element in client.objects().values()} == {1, 3, 8, 15}


def test_set(meter: Any) -> None:
    client, answers = meter
    with answers:
        client.set(1, "0-0:96.1.0.255", 2, axdr.octet_string(b"20000002"))
        assert client.get(1, "0-0:96.1.0.255", 2).value == b"20000002"


def test_release(meter: Any) -> None:
    client, answers = meter
    with answers:
        client.run(release(client.core.machine))

"""The gateway prefix: octets, the client's link, and a gateway in front of two simulated meters in memory."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.apdu.notify import DataNotification
from cosem.association.responder import Responder
from cosem.association.steps import Save
from cosem.client.core import Core
from cosem.client.plan import Plan
from cosem.errors import CosemError, DecodeError, IncompleteError, LocalProtocolError, Timeout
from cosem.io.memory import MemoryDriver
from cosem.link import gateway as room
from cosem.link import wrapper
from cosem.link.base import Address, ApduReceived, LinkDown, LinkUp
from cosem.link.gateway import Gateway, GatewayLink, Prefix, behind, build, parse
from cosem.link.hdlc.link import HdlcLink
from cosem.link.memory import LineQuality, LossyPipe
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.security.counters import MemoryCounterStore
from support.served import DEVICE, MANAGEMENT, make_meter

SERIAL = (1, Obis.parse("0-0:96.1.0.255"), 2)
PREFIXES = st.builds(Prefix, st.booleans(), st.integers(0, 255), st.binary(max_size=255))


@given(PREFIXES, st.binary(max_size=5))
def test_a_prefix_there_and_back(prefix: Prefix, apdu: bytes) -> None:
    octets = build(prefix)
    assert parse(octets + apdu) == (prefix, len(octets))
    assert behind(octets + apdu) == len(octets)
    for size in range(1, len(octets)):
        with pytest.raises(IncompleteError):
            parse(octets[:size])
        assert behind(octets[:size]) == 0


def test_a_prefix_octet_by_octet() -> None:
    assert build(Prefix(False, 0, b"12345678")).hex() == "e6000831323334353637" + "38"
    assert build(Prefix(True, 3, b"")).hex() == "e70300"


@given(st.binary(max_size=8))
def test_any_octets_end_in_a_prefix_or_an_error(octets: bytes) -> None:
    try:
        prefix, end = parse(octets)
    except DecodeError:
        assert behind(octets) == 0
    else:
        assert octets[:end] == build(prefix)


def test_what_no_prefix_can_say() -> None:
    with pytest.raises(LocalProtocolError, match="network id"):
        build(Prefix(False, 256, b""))
    with pytest.raises(LocalProtocolError, match="255 octets"):
        build(Prefix(False, 0, bytes(256)))
    with pytest.raises(DecodeError, match="no gateway prefix"):
        parse(b"\xc0\x01")


def test_a_client_hears_its_device_alone() -> None:
    address = Address(16, 1)
    link = GatewayLink(WrapperLink(), 2, b"\x0a")
    assert link.connect(address, 0.0) == [LinkUp(address)]
    link.send(address, b"\xc0", 0.0)
    assert link.take() == wrapper.build(16, 1, bytes.fromhex("e602010ac0"))
    assert link.next_timer() is None
    assert link.handle_timer(0.0) == []

    def heard(text: str) -> Any:
        (event,) = link.receive(wrapper.build(1, 16, bytes.fromhex(text)), 0.0)
        return event

    assert heard("e702010ac4") == ApduReceived(address, b"\xc4")
    # A push of the device may come with either tag.
    assert heard("e602010a0f") == ApduReceived(address, b"\x0f")
    assert "from device 0b of network 2" in heard("e702010bc4").reason
    assert "from device 0a of network 1" in heard("e701010ac4").reason
    assert "no gateway prefix" in heard("c4").reason
    assert "without an APDU" in heard("e702010a").reason
    assert "the address has 9 octets" in heard("e702090a").reason
    assert link.disconnect(address, 0.0) == [LinkDown(address, "closed by this side")]
    link.connect(address, 0.0)
    assert link.lost(0.0) == [LinkDown(address, "the transport was lost")]


class World:
    """A gateway with two meters behind it, and its own device."""

    def __init__(self, framing: str = "wrapper", **quality: float) -> None:
        self.framing = framing
        self.meters = {
            (None, b""): make_meter(days=0.1, seed=9),
            (0, b"\x01"): make_meter(days=0.1, seed=1),
            (7, b"meter 2"): make_meter(days=0.1, seed=2),
        }
        self.made: list[Responder] = []
        self.now = 0.0
        self.counters = MemoryCounterStore()
        self.gateway = Gateway(self._link(), self._device)
        self.pipe = LossyPipe(random.Random(3).random, LineQuality(**quality))

    def _link(self) -> Any:
        return (
            HdlcLink(server=True, accepts=lambda address: True) if self.framing == "hdlc" else WrapperLink(server=True)
        )

    def _device(self, network: int | None, address: bytes) -> Responder | None:
        meter = self.meters.get((network, address))
        if meter is None:
            return None
        source = random.Random(len(self.made))
        self.made.append(Responder(WrapperLink(server=True), meter.device, source.randbytes))
        return self.made[-1]

    def core(self, **query: str) -> Core:
        parameters = "&".join(f"{name}={value}" for name, value in (MANAGEMENT | query).items())
        scheme = "hdlc+tcp" if self.framing == "hdlc" else "tcp"
        return Plan(f"{scheme}://gateway?{parameters}", device=DEVICE, counters=self.counters).core()

    def driver(self, core: Core) -> MemoryDriver:
        driver = MemoryDriver(core.machine, self.gateway, self.pipe)
        driver.now = self.now
        return driver

    def serial(self, **query: str) -> bytes:
        core = self.core(**query)
        driver = self.driver(core)
        driver.run(core.open())
        value: bytes = driver.run(core.get_data(*SERIAL)).value
        driver.run(core.get_octets(7, Obis.parse("1-0:99.1.0.255"), 2))
        driver.run(core.close())
        self.now = driver.now
        return value


@pytest.mark.parametrize(
    ("framing", "quality"),
    [("wrapper", {}), ("hdlc", {}), ("hdlc", {"loss": 0.05, "delay": 0.01}), ("hdlc", {"corruption": 0.05})],
)
def test_two_meters_and_the_gateway_itself_over_one_line(framing: str, quality: dict[str, float]) -> None:
    world = World(framing, **quality)
    assert world.serial(gateway_device="01") == b"10000001"
    assert world.serial(gateway_device=b"meter 2".hex(), gateway_network="7") == b"10000002"
    assert world.serial() == b"10000009"
    assert world.serial(gateway_device="01", client="2", auth="low", security="none") == b"10000001"


def test_meters_behind_one_address_pair_do_not_disturb_each_other() -> None:
    world = World()
    cores = [world.core(gateway_device="01"), world.core(gateway_device=b"meter 2".hex(), gateway_network="7")]
    drivers = [world.driver(core) for core in cores]
    for core, driver in zip(cores, drivers, strict=True):
        driver.run(core.open())
    for _ in range(3):
        values = [driver.run(core.get_data(*SERIAL)).value for core, driver in zip(cores, drivers, strict=True)]
        assert values == [b"10000001", b"10000002"]
    assert [len(item.sessions) for item in world.made] == [1, 1]
    world.gateway.lost(5.0)
    assert [len(item.sessions) for item in world.made] == [0, 0]


def test_a_device_that_is_not_there_is_silent() -> None:
    world = World()
    core = world.core(gateway_device="02")
    with pytest.raises(Timeout):
        world.driver(core).run(core.open())
    assert world.gateway.discarded == 1
    assert world.serial(gateway_device="01") == b"10000001"


def test_a_client_that_disconnects_ends_what_is_its_own() -> None:
    world = World("hdlc")
    first = world.core(gateway_device="01")
    second = world.core(gateway_device="01", client="2", auth="low", security="none")
    for core in (first, second):
        world.driver(core).run(core.open())
    link = first.machine.link
    link.disconnect(Address(1, 1), 0.0)
    world.gateway.receive(link.take(), 0.0)
    assert [len(item.sessions) for item in world.made] == [0, 1]


@pytest.mark.parametrize(
    "apdu", ["e6", "e600", "e60005", "e60001", "e6000101", "e7000101c0", "e600020101c0", "e9", "ff"]
)
def test_wrong_prefixes_disturb_nobody(apdu: str) -> None:
    world = World()
    core = world.core(gateway_device="01")
    driver = world.driver(core)
    driver.run(core.open())
    octets = bytes.fromhex(apdu)
    world.gateway.receive(wrapper.build(1, 1, octets) + wrapper.build(99, 1, octets), 0.0)
    world.gateway.take()
    assert driver.run(core.get_data(*SERIAL)).value == b"10000001"


def test_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_DEVICES", 4)
    world = World()
    core = world.core(gateway_device="01")
    driver = world.driver(core)
    driver.run(core.open())
    for client in range(20, 40):
        world.gateway.receive(wrapper.build(client, 1, bytes.fromhex("e6000101c0")), float(client))
    assert len(world.gateway._lines) == 4
    # The longest silent made room: its association is over, and a new one can be had.
    assert len(world.made[0].sessions) == 0
    with pytest.raises(CosemError):
        driver.run(core.get_data(*SERIAL))
    assert world.serial(gateway_device="01") == b"10000001"


def test_a_device_forgets_a_client_whose_proof_never_comes() -> None:
    world = World()
    core = world.core(gateway_device="01")
    machine = core.machine
    machine.start(core.open(), 0.0)
    while (order := machine.driver_step()) is not None:
        running, step = order
        machine.answer(running, step.action() if isinstance(step, Save) else None, 0.0)
    world.gateway.receive(machine.take(), 0.0)
    assert world.gateway.take()
    assert world.made[0].sessions[0].status == 1
    due = world.gateway.next_timer()
    assert due is not None
    world.gateway.handle_timer(due - 1)
    assert world.made[0].sessions
    world.gateway.handle_timer(due)
    assert world.made[0].sessions == ()


def test_what_a_device_says_unasked_comes_with_its_prefix() -> None:
    world = World()
    core = world.core(gateway_device="01")
    world.driver(core).run(core.open())
    world.made[0].notify(Address(1, 1), DataNotification(b"", b"\x00"))
    world.gateway.poll(1.0)
    (event,) = core.machine.link.receive(world.gateway.take(), 1.0)
    assert isinstance(event, ApduReceived)
    assert event.octets[0] == 0x0F


def test_what_came_to_all_is_answered_by_nobody() -> None:
    world = World("hdlc")
    link = HdlcLink()
    link.send(
        Address(16, 1), bytes.fromhex("e6000101") + bytes.fromhex("c001c100010000600100ff0200"), 0.0, confirmed=False
    )
    world.gateway.receive(link.take(), 0.0)
    assert len(world.made) == 1
    assert world.gateway.take() == b""


def test_a_push_of_a_device_answers_nothing_on_an_hdlc_line() -> None:
    """A notification behind the prefix comes while an answer is waited for: the client goes on waiting."""
    world = World("hdlc")
    core = world.core(gateway_device="01")
    driver = world.driver(core)
    driver.run(core.open())
    push = DataNotification(b"", b"\x00").encode(1)
    world.gateway.link.send(Address(1, 1), build(Prefix(True, 0, b"\x01")) + push, driver.now)
    # A push of another device, and a prefix with nothing behind it.
    world.gateway.link.send(Address(1, 1), build(Prefix(True, 0, b"\x02")) + push, driver.now)
    world.gateway.link.send(Address(1, 1), build(Prefix(True, 0, b"\x01")), driver.now)
    assert driver.run(core.get_data(*SERIAL)).value == b"10000001"

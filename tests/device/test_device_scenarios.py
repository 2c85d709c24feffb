"""Scenarios told from the outside: a management client over the link, the whole meter, the rows of its logs.

Numbers are those of the scenarios in the sections on disconnect control (1), limiter (2), image transfer (3), clock,
scripts and pushes (4), events (5) and associations (7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cosem.apdu.action import ActionRequestNormal
from cosem.apdu.base import MethodDescriptor
from cosem.association.conversations import open_association
from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Post, Sleep
from cosem.classes.c018_image_transfer import ImageTransfer
from cosem.classes.c071_limiter import EmergencyProfile, Limiter
from cosem.classes.common import TimeWindow
from cosem.classes.model import InterfaceClass
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.device.disconnector import CONNECTED, DISCONNECTED, READY
from cosem.device.guard import GuardOptions
from cosem.device.image import Call, ImageOptions
from cosem.device.meter import ElectricityMeter
from cosem.device.random import SeededRandom
from cosem.errors import AssociationRejected, CosemError
from cosem.io.memory import MemoryDriver
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security.image import THIS_DEVICE, ImagePart, make_image
from cosem.simulator.meter import DEMO_IMAGE_KEY, demo_signing_key
from cosem.times import CosemDateTime
from support.equipped import Net, codes, equipped, later, rows
from support.full import Manager
from support.meters import KEYS, PASSWORD

SUPPLY, LIMITER, IMAGE, CLOCK = "0-0:96.3.10.255", "0-0:17.0.0.255", "0-0:44.0.0.255", "0-0:1.0.0.255"


class Loads:
    """A house that draws what it is told to."""

    def __init__(self, watts: int = 1000) -> None:
        self.watts = watts

    def at(self, local: Any, step: int) -> Any:
        from cosem.device.load import Load

        return Load((self.watts, 0, 0), (0, 0, 0))


class World:
    """A meter in a house, and its manager."""

    def __init__(self, net: Net | None = None, **settings: Any) -> None:
        self.meter: ElectricityMeter = equipped(net, **settings)
        self.house = Loads()
        self.meter.metering.load = self.house
        later(self.meter, 60)
        self.client = Manager(self.meter)

    def at(self, name: str) -> InterfaceClass[Any]:
        found = self.meter.host.find(Obis.parse(name))
        assert found is not None
        return found

    def get(self, name: str, number: int) -> Any:
        found = self.client.get(self.at(name), number)
        assert isinstance(found, Data)
        return found.value

    def set(self, name: str, number: int, value: Data) -> int:
        return self.client.set(self.at(name), number, value)

    def call(self, name: str, number: int, parameter: Data | None = None) -> int:
        return self.client.call(self.at(name), number, axdr.integer(0) if parameter is None else parameter)

    def live(self, seconds: int) -> None:
        self.meter.advance(self.meter.now + seconds)

    def draw(self, watts: int) -> None:
        """Let the house draw something else from the next minute on."""
        self.house.watts = watts
        self.live(60 - self.meter.now % 60)

    @property
    def supply(self) -> tuple[int, bool, list[int]]:
        """What the client reads: control_state, output_state; and the rows of the disconnector's log."""
        return self.get(SUPPLY, 3), self.get(SUPPLY, 2), codes(self.meter, "disconnector")


# --- 1.5 disconnect control -------------------------------------------------------------------------------------------


def test_15_1_mode_1_from_afar_then_by_the_button() -> None:
    world = World(control_mode=1)
    assert world.call(SUPPLY, 1) == 0
    assert world.supply == (DISCONNECTED, False, [62])
    assert world.call(SUPPLY, 2) == 0
    assert world.supply == (READY, False, [62, 59])
    world.meter.disconnector.press()
    assert world.supply == (CONNECTED, True, [62, 59, 61])


def test_15_2_mode_2_connects_from_afar_at_once() -> None:
    world = World(control_mode=2)
    world.call(SUPPLY, 1)
    assert world.call(SUPPLY, 2) == 0
    assert world.supply == (CONNECTED, True, [62, 63])


@pytest.mark.parametrize(("mode", "state", "log"), [(3, CONNECTED, []), (1, READY, [60])])
def test_15_3_the_button_off_by_mode(mode: int, state: int, log: list[int]) -> None:
    world = World(control_mode=mode)
    world.meter.disconnector.press(False)
    assert world.supply == (state, state == CONNECTED, log)


def test_15_4_mode_4_after_a_trip_takes_two_commands() -> None:
    world = World(control_mode=4, limit=5000)
    world.draw(5001)
    world.live(60)
    assert world.supply == (READY, False, [65, 64])
    assert world.call(SUPPLY, 2) == 0
    assert world.supply == (READY, False, [65, 64])
    assert world.call(SUPPLY, 1) == 0
    assert world.get(SUPPLY, 3) == DISCONNECTED
    assert world.call(SUPPLY, 2) == 0
    assert world.supply == (CONNECTED, True, [65, 64, 62, 63])


def test_15_6_what_was_disconnected_from_afar_is_not_reconnected_locally() -> None:
    world = World(control_mode=5)
    world.call(SUPPLY, 1)
    limiter: Any = world.meter.equipment.limiter.object
    from cosem.device.host import Origin

    world.meter.equipment.scripts.run(limiter.actions.action_under_threshold, Origin.LOCAL)
    assert world.supply == (DISCONNECTED, False, [62])


@pytest.mark.parametrize("number", [1, 2])
def test_15_7_mode_0_is_always_connected(number: int) -> None:
    world = World(control_mode=0, limit=500)
    assert world.call(SUPPLY, number) == 0
    world.live(120)
    for connect in (False, True):
        world.meter.disconnector.press(connect)
    assert world.supply == (CONNECTED, True, [65]), "the limiter tells that it acted, and nothing moved"


def test_15_8_a_stuck_contact_is_a_failure_with_its_row_and_its_alarm() -> None:
    world = World(control_mode=4)
    world.meter.disconnector.jam(True)
    assert world.call(SUPPLY, 1) == 0
    assert world.supply == (DISCONNECTED, True, [62])
    world.live(10)
    assert world.supply == (DISCONNECTED, True, [62, 68])
    assert world.get("0-0:97.98.1.255", 2) == 1 << 31


# --- 2.4 limiter ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "after"), [(5, [66, 69]), (1, [66])])
def test_24_1_and_2_over_then_under_by_mode(mode: int, after: list[int]) -> None:
    world = World(control_mode=mode, limit=5000)
    world.draw(5001)
    world.live(59)
    assert world.supply == (CONNECTED, True, [])
    world.live(1)
    assert world.supply == (READY, False, [65, 64])
    world.live(299)
    assert world.supply == (READY, False, [65, 64])
    world.house.watts = 0
    world.live(1)
    state = CONNECTED if mode == 5 else READY
    assert world.supply == (state, state == CONNECTED, [65, 64, *after])


def emergency(world: World, group: int, members: tuple[int, ...]) -> None:
    """Set an emergency of 1000 W in 60 s for 120 s."""
    kinds = Limiter.attributes
    moment = CosemDateTime.from_octets(world.meter.clock.octets(world.meter.now + 60))
    assert world.set(LIMITER, 5, axdr.double_long_unsigned(1000)) == 0
    assert world.set(LIMITER, 9, kinds[9].type.to_data(members)) == 0
    assert world.set(LIMITER, 8, kinds[8].type.to_data(EmergencyProfile(group, moment, 120))) == 0


def shown(world: World) -> tuple[bool, int, list[int]]:
    return world.get(LIMITER, 10), world.get(LIMITER, 3), codes(world.meter, "disconnector")


def test_24_3_an_emergency_of_the_group() -> None:
    world = World(limit=5000)
    emergency(world, 7, (1, 7))
    world.live(59)
    assert shown(world) == (False, 5000, [])
    world.live(1)
    assert shown(world) == (True, 1000, [67])
    world.live(119)
    assert shown(world) == (True, 1000, [67])
    world.live(1)
    assert shown(world) == (False, 5000, [67, 67])


def test_24_4_an_emergency_of_another_group_never_comes() -> None:
    world = World(limit=5000)
    emergency(world, 7, (1, 2))
    for _ in range(100):
        world.live(7)
        assert shown(world) == (False, 5000, [])
    world.live(86_400 * 7)
    assert world.get(LIMITER, 10) is False


def test_24_5_an_emergency_over_a_power_cut_ends_at_its_time() -> None:
    world = World(limit=5000)
    emergency(world, 7, (7,))
    world.live(90)
    world.meter.equipment.power.fail()
    world.live(30)
    world.meter.equipment.power.restore()
    world.client = Manager(world.meter)
    assert shown(world)[:2] == (True, 1000)
    world.live(59)
    assert shown(world)[:2] == (True, 1000)
    world.live(1)
    assert shown(world) == (False, 5000, [67, 67])


def test_24_7_a_threshold_of_another_type_is_type_unmatched() -> None:
    world = World(limit=5000)
    assert world.set(LIMITER, 4, axdr.long_unsigned(1)) == DataAccessResult.TYPE_UNMATCHED
    assert world.get(LIMITER, 4) == 5000


# --- 3.5 image transfer -----------------------------------------------------------------------------------------------

BLOCK = 216


class Firmware(World):
    """A meter that knows the key of a signed image."""

    def __init__(self, *, verify: int = 2, **settings: Any) -> None:
        super().__init__(
            image_key=DEMO_IMAGE_KEY, image=ImageOptions(block_size=BLOCK, verify_duration=verify), **settings
        )
        self.image = make_image([ImagePart(THIS_DEVICE, 0, b"V3", b"octets " * 110)], demo_signing_key())
        self.blocks = -(-len(self.image) // BLOCK)

    def do(self, call: Call, parameter: Any = 0) -> int:
        return self.call(IMAGE, call.value, ImageTransfer.methods[call.value].parameter.to_data(parameter))

    def initiate(self) -> int:
        return self.do(Call.INITIATE, (b"V3", len(self.image)))

    def send(self, *numbers: int) -> None:
        for number in numbers or range(self.blocks):
            assert self.do(Call.BLOCK_TRANSFER, (number, self.image[number * BLOCK : (number + 1) * BLOCK])) == 0

    @property
    def log(self) -> list[int]:
        return [code for code in codes(self.meter, "standard") + codes(self.meter, "fraud") if code in (17, 18, 51)]


def test_35_1_to_5_what_the_client_sees_of_a_transfer() -> None:
    world = Firmware(verify=5)
    last = world.blocks - 1
    assert world.initiate() == 0
    world.send(0, 1, *range(3, world.blocks))
    assert (world.get(IMAGE, 3), world.get(IMAGE, 4), world.get(IMAGE, 6)) == ("110" + "1" * (last - 2), 2, 1)
    assert world.do(Call.VERIFY) == ActionResult.OTHER_REASON
    assert (world.get(IMAGE, 6), world.log) == (4, [51])
    world.send(2)
    assert (world.get(IMAGE, 4), world.get(IMAGE, 6)) == (world.blocks, 1)
    assert world.do(Call.VERIFY) == ActionResult.TEMPORARY_FAILURE
    assert world.get(IMAGE, 6) == 2
    world.live(5)
    assert (world.get(IMAGE, 6), sorted(world.log)) == (3, [17, 51])
    (shown_image,) = world.get(IMAGE, 7)
    assert shown_image.value[1].value == b"V3"
    assert world.do(Call.VERIFY) == 0


def test_35_2_the_link_drops_and_the_client_goes_on() -> None:
    world = Firmware()
    world.initiate()
    world.send(0, 1)
    world.client.driver.cut()
    world.live(60)
    world.client = Manager(world.meter)
    assert (world.get(IMAGE, 3)[:3], world.get(IMAGE, 4)) == ("110", 2)
    assert world.initiate() == 0
    assert set(world.get(IMAGE, 3)) == {"0"}


def test_35_6_a_corrupted_image_leaves_its_row_and_the_old_firmware() -> None:
    world = Firmware()
    old = world.get("1-0:0.2.0.255", 2)
    world.image = world.image[:-1] + bytes((world.image[-1] ^ 1,))
    world.initiate()
    world.send()
    assert world.do(Call.ACTIVATE) == ActionResult.TEMPORARY_FAILURE
    world.live(30)
    assert (world.get(IMAGE, 6), world.log, world.get("1-0:0.2.0.255", 2)) == (7, [51], old)


def test_35_7_and_8_a_restart_ends_the_session_and_a_power_cut_in_it_the_activation() -> None:
    world = Firmware()
    old = world.get("1-0:0.2.0.255", 2)
    world.initiate()
    world.send()
    world.do(Call.VERIFY)
    world.live(2)
    for cut in (True, False):
        assert world.do(Call.ACTIVATE) == ActionResult.TEMPORARY_FAILURE
        assert world.get(IMAGE, 6) == 5
        world.live(5)
        assert world.meter.device.sessions == [], "the restart ended the association"
        if cut:
            world.meter.equipment.power.fail()
            world.live(5)
            world.meter.equipment.power.restore()
        else:
            world.live(20)
        world.client = Manager(world.meter)
        assert (world.get(IMAGE, 6), world.get("1-0:0.2.0.255", 2)) == ((3, old) if cut else (6, b"V3"))
        assert world.log == ([17] if cut else [17, 18])


def test_35_9_blocks_by_broadcast_to_two_meters_one_of_which_was_initiated() -> None:
    title = b"CSMtoall"
    one, other = (Firmware(broadcast_title=title) for _ in range(2))
    assert one.initiate() == 0
    settings = AssociationSettings(client_sap=102, server_sap=0x7F, pre_established=True, broadcast=True, keys=KEYS)
    answered = []
    kind = ImageTransfer.methods[2].parameter
    for world in (one, other):
        initiator = Initiator(WrapperLink(), settings)
        driver = MemoryDriver(initiator, Responder(WrapperLink(server=True), world.meter.device, SeededRandom(3)))
        answered.append(_heard(driver))

        def talk(initiator: Initiator = initiator) -> Any:
            yield from open_association(initiator, SeededRandom(2))
            for number in range(one.blocks):
                block = axdr.encode(kind.to_data((number, one.image[number * BLOCK : (number + 1) * BLOCK])))
                yield Post(ActionRequestNormal(MethodDescriptor(18, Obis.parse(IMAGE), 2), block))
            yield Sleep(1)

        driver.run(talk())
    assert (one.get(IMAGE, 4), one.get(IMAGE, 6)) == (one.blocks, 1)
    assert (other.get(IMAGE, 4), other.get(IMAGE, 6)) == (0, 0)
    assert [octets() for octets in answered] == [b"", b""]


def _heard(driver: MemoryDriver) -> Callable[[], bytes]:
    """Return what reads the octets that the meter has sent."""
    said: list[bytes] = []
    responder: Any = driver.responder
    take = responder.take

    def listen() -> bytes:
        said.append(take())
        return said[-1]

    responder.take = listen
    return lambda: b"".join(said)


# --- 4 clock, scripts, pushes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "log"), [(5, []), (60, [(60, 4), (120, 5)]), (3600, [(60, 4), (3660, 5)])])
def test_45_1_and_2_and_55_7_the_client_sets_the_clock(seconds: int, log: list[tuple[int, int]]) -> None:
    world = World()
    moment = world.meter.clock.octets(world.meter.now + seconds)
    assert world.set(CLOCK, 2, axdr.octet_string(moment)) == 0
    assert rows(world.meter, "standard") == log


def test_46_1_to_3_a_client_executes_scripts() -> None:
    world = World(control_mode=4)
    table = "0-0:10.0.106.255"
    assert world.call(table, 1, axdr.long_unsigned(0)) == 0
    assert world.call(table, 1, axdr.long_unsigned(99)) == ActionResult.OTHER_REASON
    assert world.supply == (CONNECTED, True, [])
    assert world.call(table, 1, axdr.long_unsigned(1)) == 0
    assert world.supply == (DISCONNECTED, False, [62]), "a client's script is a remote command"


def window(hour: int) -> TimeWindow:
    return TimeWindow(*(CosemDateTime(hour=each, minute=0, second=0) for each in (hour, hour + 1)))


def test_01_a_clock_that_is_set_into_a_push_window_opens_it() -> None:
    net = Net()
    world = World(net)  # it is one minute past noon
    setup = world.meter.equipment.pushes.setups["alarm"].object
    assert world.client.set(setup, 4, type(setup).attributes[4].type.to_data([window(14)])) == 0
    assert world.client.call(setup, 1, axdr.integer(0)) == 0
    world.live(60)
    assert net.times == []
    later_on = world.meter.clock.octets(world.meter.now + 2 * 3600)
    assert world.set(CLOCK, 2, axdr.octet_string(later_on)) == 0
    world.live(1)
    assert net.times == [120]


def test_01_another_window_is_waited_for_once_it_is_written() -> None:
    net = Net()
    world = World(net)
    setup = world.meter.equipment.pushes.setups["alarm"].object
    kind = type(setup).attributes[4].type
    assert world.client.set(setup, 4, kind.to_data([window(20)])) == 0
    assert world.client.call(setup, 1, axdr.integer(0)) == 0
    assert world.client.set(setup, 4, kind.to_data([window(13)])) == 0
    world.live(2 * 3600)
    assert net.times == [3600]


# --- 5.5 events, 7.5 associations -------------------------------------------------------------------------------------


def knock(meter: ElectricityMeter, password: bytes) -> bool:
    """Associate as the reading client; return whether that went."""
    initiator = Initiator(WrapperLink(), AssociationSettings(client_sap=2, mechanism=1, secret=password))
    driver = MemoryDriver(initiator, Responder(WrapperLink(server=True), meter.device, SeededRandom(3)))
    try:
        driver.run(open_association(initiator, SeededRandom(2)))
    except AssociationRejected:
        return False
    return True


def test_55_5_five_wrong_passwords_are_one_row() -> None:
    meter = equipped(guard=GuardOptions(authentication_attempts=5, lock_after=0))
    seen = []
    for _ in range(9):
        assert not knock(meter, b"guessed!")
        seen.append(codes(meter, "fraud"))
    assert seen == [[]] * 4 + [[46]] * 5
    assert knock(meter, PASSWORD)
    assert codes(meter, "fraud") == [46]


def test_75_1_and_2_what_a_client_is_refused_over_the_link() -> None:
    world = World()
    register, clock = world.at("1-0:1.8.0.255"), world.at(CLOCK)
    one = axdr.double_long_unsigned(1)
    assert world.client.set(register, 2, one) == DataAccessResult.READ_WRITE_DENIED
    assert world.client.set(clock, 3, one) == DataAccessResult.TYPE_UNMATCHED
    assert world.client.get(register, 99) == DataAccessResult.READ_WRITE_DENIED
    with pytest.raises(CosemError) as refused:
        world.client.driver.run(world.client.core.get_data(1, Obis.parse("1-0:1.8.0"), 2))
    assert refused.value.result is DataAccessResult.OBJECT_CLASS_INCONSISTENT  # type: ignore[attr-defined]

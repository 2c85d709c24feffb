"""Image transfer in the meter (behaviours 3): the seven steps, what is refused, power cuts, what becomes firmware."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.apdu.base import AttributeDescriptor, MethodDescriptor
from cosem.classes.c018_image_transfer import ImageTransfer
from cosem.classes.c022_single_action_schedule import ExecutionTime, SingleActionSchedule
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.clock import DeviceClock
from cosem.device.device import PhysicalDevice
from cosem.device.host import Host
from cosem.device.image import (
    ACTIVATED,
    ACTIVATING,
    INITIATED,
    NOT_ACTIVATED,
    NOT_INITIATED,
    TABLE,
    UNVERIFIED,
    VERIFIED,
    VERIFYING,
    Call,
    Does,
    Image,
    ImageOptions,
    ImageTransferBehaviour,
    Verifier,
    signed_by,
)
from cosem.device.logical_device import LogicalDevice
from cosem.device.random import SeededRandom
from cosem.errors import SecurityError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security.image import MBUS_DEVICE, THIS_DEVICE, ImagePart, make_image
from cosem.simulator.meter import DEMO_IMAGE_KEY, demo_signing_key
from cosem.times import CosemDate, CosemTime
from support.meters import build, session, utc

START = utc(2026, 6, 1)
NAME = Obis.parse("0-0:44.0.0")
WHOLE = bytes(range(250)) * 4
OLD = b"cosem simulated meter"


def genuine(octets: bytes) -> list[Image]:
    """Take the whole image for the metrology firmware, unless it begins with a wrong octet."""
    if octets[0] == 0xFF:
        raise SecurityError("the signature is wrong")
    return [Image(THIS_DEVICE, 0, b"new one", b"signature", len(octets))]


class Bench:
    """An image transfer alone in a bare device; every method goes the way of a client's request."""

    def __init__(self, verifier: Verifier = genuine, **options: Any) -> None:
        self.device = PhysicalDevice(b"CSM\x00\x00\x00\x00\x09", START, SeededRandom(1), simulation=True)
        logical = self.device.add(LogicalDevice(1, b"CSM1"))
        self.host = Host(self.device, logical, DeviceClock(lambda: self.device.schedule.now))
        self.happened: list[Cause] = []
        self.host.causes.listeners.append(lambda happening: self.happened.append(happening.cause))
        self.image = ImageTransferBehaviour(self.host, verifier, ImageOptions(**({"block_size": 216} | options)))
        self.device.build()

    def call(self, call: Call, parameter: Any = 0) -> ActionResult:
        data = self.image.object.methods[call.value].parameter.to_data(parameter)
        return self.host.invoke(18, NAME, call.value, data)

    def initiate(self, size: int = len(WHOLE), identifier: bytes = b"V2") -> ActionResult:
        return self.call(Call.INITIATE, (identifier, size))

    def block(self, number: int, value: bytes | None = None, image: bytes = WHOLE) -> ActionResult:
        size = self.image.options.block_size
        value = image[number * size : (number + 1) * size] if value is None else value
        return self.call(Call.BLOCK_TRANSFER, (number, value))

    def send(self, image: bytes = WHOLE) -> None:
        assert self.initiate(len(image)) is ActionResult.SUCCESS
        for number in range(-(-len(image) // self.image.options.block_size)):
            assert self.block(number, image=image) is ActionResult.SUCCESS

    def wait(self, seconds: int) -> None:
        self.device.advance(self.device.now + seconds)

    def get(self, number: int) -> Any:
        data = self.host.read(18, NAME, number)
        assert data is not None
        return ImageTransfer.attributes[number].type.from_data(data)

    @property
    def bits(self) -> str:
        bits: str = self.get(3)
        return bits

    def firmware(self, group: str = "1-0:0.2.0") -> bytes:
        data = self.host.read(1, Obis.parse(group), 2)
        assert data is not None
        value: bytes = data.value
        return value

    def power_cut(self, seconds: int = 30) -> None:
        self.device.go_down("power")
        self.host.note(Cause.POWER_DOWN)
        self.wait(seconds)
        self.device.come_up("power")
        self.host.note(Cause.POWER_UP)


def ready(**options: Any) -> Bench:
    """Return a bench with a verified image."""
    bench = Bench(verify_duration=0, **options)
    bench.send()
    assert bench.call(Call.VERIFY) is ActionResult.SUCCESS
    return bench


# --- scenarios of behaviours 3.5 -----------------------------------------------------------------------------------


def test_35_1_blocks_in_any_order_then_verification() -> None:
    bench = Bench()
    assert bench.initiate() is ActionResult.SUCCESS
    for number in (0, 1, 3, 4):
        assert bench.block(number) is ActionResult.SUCCESS
    assert (bench.bits, bench.get(4), bench.get(6)) == ("11011", 2, INITIATED)
    assert bench.block(2) is ActionResult.SUCCESS
    assert (bench.bits, bench.get(4)) == ("11111", 5)
    assert bench.call(Call.VERIFY) is ActionResult.TEMPORARY_FAILURE
    bench.wait(2)
    assert bench.get(6) == VERIFIED
    assert bench.get(7) == ((1000, b"new one", b"signature"),)
    assert bench.happened == [Cause.IMAGE_READY]


def test_35_2_what_was_received_stays_until_a_new_initiate() -> None:
    bench = Bench()
    bench.initiate()
    bench.block(0)
    bench.block(1)
    bench.device.go_down("the line")
    bench.wait(60)
    bench.device.come_up("the line")
    assert (bench.bits, bench.get(4)) == ("11000", 2)
    bench.initiate()
    assert (bench.bits, bench.get(4)) == ("00000", 0)


def test_35_3_nothing_goes_while_it_is_not_enabled() -> None:
    bench = Bench()
    bench.send()
    assert bench.host.write(18, NAME, 5, axdr.boolean(False)) is DataAccessResult.SUCCESS
    for call, parameter in (
        (Call.INITIATE, (b"V3", 5)),
        (Call.BLOCK_TRANSFER, (0, bytes(216))),
        (Call.VERIFY, 0),
        (Call.ACTIVATE, 0),
    ):
        assert bench.call(call, parameter) is ActionResult.OTHER_REASON
    assert (bench.get(6), bench.bits, bench.happened) == (INITIATED, "11111", [])
    assert bench.host.write(18, NAME, 5, axdr.boolean(True)) is DataAccessResult.SUCCESS
    assert bench.call(Call.VERIFY) is ActionResult.TEMPORARY_FAILURE, "it goes on where it was"


def test_35_4_a_verification_takes_its_time() -> None:
    bench = Bench(verify_duration=5)
    bench.send()
    assert bench.call(Call.VERIFY) is ActionResult.TEMPORARY_FAILURE
    assert bench.get(6) == VERIFYING
    assert bench.call(Call.VERIFY) is ActionResult.TEMPORARY_FAILURE
    assert bench.initiate() is ActionResult.TEMPORARY_FAILURE
    bench.wait(4)
    assert bench.get(6) == VERIFYING
    bench.wait(1)
    assert bench.get(6) == VERIFIED
    assert bench.call(Call.VERIFY) is ActionResult.SUCCESS


def test_35_5_a_missing_block_fails_and_can_be_filled_in() -> None:
    bench = Bench(verify_duration=0)
    bench.initiate()
    for number in (0, 1, 2, 4):
        bench.block(number)
    assert bench.call(Call.VERIFY) is ActionResult.OTHER_REASON
    assert (bench.get(6), bench.happened) == (UNVERIFIED, [Cause.IMAGE_VERIFICATION_FAILED])
    assert bench.block(3) is ActionResult.SUCCESS
    assert bench.get(6) == INITIATED
    assert bench.call(Call.VERIFY) is ActionResult.SUCCESS
    assert bench.get(6) == VERIFIED


@pytest.mark.parametrize("duration", [0, 5])
def test_35_6_a_corrupted_image_is_not_activated(duration: int) -> None:
    bench = Bench(verify_duration=duration)
    bench.send(b"\xff" + WHOLE[1:])
    expected = ActionResult.TEMPORARY_FAILURE if duration else ActionResult.OTHER_REASON
    assert bench.call(Call.ACTIVATE) is expected
    bench.wait(duration)
    assert bench.get(6) == NOT_ACTIVATED
    assert bench.happened == [Cause.IMAGE_VERIFICATION_FAILED]
    assert (bench.firmware(), bench.get(7)) == (OLD, ())


def test_35_7_an_activation_restarts_the_device() -> None:
    bench = ready()
    went_down: list[int] = []
    bench.device.on_down.append(lambda: went_down.append(bench.device.now))
    asked = bench.device.now
    assert bench.call(Call.ACTIVATE) is ActionResult.TEMPORARY_FAILURE
    assert (bench.get(6), bench.firmware(), went_down) == (ACTIVATING, OLD, [])
    bench.wait(1)
    assert went_down == [asked + 1], "the answer leaves before the restart"
    assert bench.device.down
    bench.wait(18)
    assert bench.get(6) == ACTIVATING
    bench.wait(1)
    assert (bench.get(6), bench.device.down) == (ACTIVATED, set())
    assert (bench.firmware(), bench.firmware("1-0:0.2.8")) == (b"new one", b"signature")
    assert bench.firmware("1-1:0.2.0") == b"cosem simulated application", "the other one stays"
    assert bench.happened == [Cause.IMAGE_READY, Cause.IMAGE_ACTIVATED]


def test_35_7_an_activation_by_schedule_comes_at_its_time() -> None:
    image = make_image([ImagePart(THIS_DEVICE, 0, b"V3", b"octets " * 50)], demo_signing_key())
    meter = build(START, START, image_key=DEMO_IMAGE_KEY, image=ImageOptions(block_size=200, verify_duration=0))
    host, name = meter.host, meter.equipment.image.object.obis
    declared = ImageTransfer.methods
    steps: list[tuple[Call, Any]] = [(Call.INITIATE, (b"V3", len(image)))]
    steps += [(Call.BLOCK_TRANSFER, (at // 200, image[at : at + 200])) for at in range(0, len(image), 200)]
    for call, parameter in [*steps, (Call.VERIFY, 0)]:
        data = declared[call.value].parameter.to_data(parameter)
        assert host.invoke(18, name, call.value, data) is ActionResult.SUCCESS
    schedule = Obis.parse("0-0:15.0.2.255")
    at = SingleActionSchedule.attributes[4].type.to_data(
        [ExecutionTime(CosemTime.parse("03:00:00"), CosemDate.parse("2026-06-02"))]
    )
    assert host.write(22, schedule, 4, at) is DataAccessResult.SUCCESS
    meter.advance(utc(2026, 6, 2, 0, 59))
    assert host.read(18, name, 6) == Data(Tag.ENUM, VERIFIED)
    meter.advance(utc(2026, 6, 2, 1, 2))
    assert host.read(18, name, 6) == Data(Tag.ENUM, ACTIVATED)
    firmware = host.read(1, Obis.parse("1-0:0.2.0"), 2)
    assert firmware is not None
    assert firmware.value == b"V3"


@pytest.mark.parametrize("after", [0, 5])
def test_35_8_a_power_cut_in_an_activation_boots_the_old_firmware(after: int) -> None:
    bench = ready()
    bench.call(Call.ACTIVATE)
    bench.wait(after)
    bench.power_cut()
    assert (bench.get(6), bench.firmware(), bench.device.down) == (VERIFIED, OLD, set())
    bench.wait(100)
    assert bench.get(6) == VERIFIED, "it waits for a new command"
    assert bench.call(Call.ACTIVATE) is ActionResult.TEMPORARY_FAILURE
    bench.wait(20)
    assert (bench.get(6), bench.firmware()) == (ACTIVATED, b"new one")


def test_35_9_who_did_not_hear_of_an_image_refuses_its_blocks() -> None:
    one, other = Bench(), Bench()
    one.initiate()
    for number in range(5):
        assert one.block(number) is ActionResult.SUCCESS
        assert other.block(number) is ActionResult.OTHER_REASON
    assert (one.bits, one.get(6)) == ("11111", INITIATED)
    assert (other.bits, other.get(6)) == ("", NOT_INITIATED)


# --- the rest of 3.1 to 3.4 ----------------------------------------------------------------------------------------


def test_an_unverified_image_is_verified_first_and_then_activated() -> None:
    bench = Bench()
    bench.send()
    assert bench.call(Call.ACTIVATE) is ActionResult.TEMPORARY_FAILURE
    assert bench.get(6) == VERIFYING
    bench.wait(2)
    assert bench.get(6) == ACTIVATING
    bench.wait(20)
    assert (bench.get(6), bench.firmware()) == (ACTIVATED, b"new one")


def test_without_durations_every_answer_is_the_outcome() -> None:
    bench = ready(activation_duration=0)
    assert bench.call(Call.ACTIVATE) is ActionResult.SUCCESS
    assert (bench.get(6), bench.firmware(), bench.device.down) == (ACTIVATED, b"new one", set())
    assert bench.call(Call.ACTIVATE) is ActionResult.OTHER_REASON
    assert bench.block(0) is ActionResult.OTHER_REASON


def test_repeated_blocks_are_written_over() -> None:
    bench = Bench(verify_duration=0)
    bench.send()
    assert bench.block(0, b"\xff" * 216) is ActionResult.SUCCESS
    assert bench.bits == "11111"
    assert bench.call(Call.VERIFY) is ActionResult.OTHER_REASON
    assert bench.block(0) is ActionResult.SUCCESS
    assert bench.call(Call.VERIFY) is ActionResult.SUCCESS


@pytest.mark.parametrize(
    ("number", "length"), [(5, 216), (0xFFFFFFFF, 1), (0, 215), (0, 217), (0, 0), (4, 135), (4, 137), (4, 216)]
)
def test_blocks_of_a_wrong_number_or_length_are_refused(number: int, length: int) -> None:
    bench = Bench()
    bench.initiate()
    assert bench.block(number, bytes(length)) is ActionResult.OTHER_REASON
    assert (bench.bits, bench.get(4)) == ("00000", 0)


def test_behaviour_a_padded_last_block_is_taken_where_the_option_says_so() -> None:
    bench = Bench(padded_last_block=True, verify_duration=0)
    bench.send()
    assert bench.block(4, WHOLE[864:] + b"\x01" * 80) is ActionResult.OTHER_REASON
    assert bench.block(4, WHOLE[864:] + bytes(80)) is ActionResult.SUCCESS
    bench.call(Call.VERIFY)
    assert bench.get(7)[0].image_to_activate_size == 1000


@pytest.mark.parametrize("size", [0, 4 * 1024 * 1024 + 1])
def test_an_image_of_a_size_that_has_no_room_is_refused(size: int) -> None:
    bench = ready()
    assert bench.initiate(size) is ActionResult.OTHER_REASON
    assert (bench.get(6), bench.bits) == (VERIFIED, "11111")


def test_parameters_of_a_wrong_type_change_nothing() -> None:
    bench = Bench()
    bench.initiate()
    for number in (1, 2, 3, 4):
        for wrong in (axdr.unsigned(1), axdr.structure(axdr.unsigned(1)), axdr.octet_string(b"")):
            assert bench.host.invoke(18, NAME, number, wrong) is ActionResult.TYPE_UNMATCHED
    assert (bench.get(6), bench.bits) == (INITIATED, "00000")


def test_a_power_cut_in_a_verification_leaves_a_complete_image() -> None:
    bench = Bench(verify_duration=5)
    bench.send()
    bench.call(Call.VERIFY)
    bench.wait(1)
    bench.power_cut()
    assert (bench.get(6), bench.bits) == (INITIATED, "11111")
    bench.call(Call.VERIFY)
    bench.wait(5)
    assert bench.get(6) == VERIFIED


def test_a_firmware_that_does_not_start_is_thrown_away() -> None:
    bench = ready()
    bench.image.defective = True
    bench.call(Call.ACTIVATE)
    bench.wait(20)
    assert (bench.get(6), bench.firmware(), bench.device.down) == (NOT_ACTIVATED, OLD, set())
    assert bench.call(Call.ACTIVATE) is ActionResult.OTHER_REASON
    assert bench.call(Call.VERIFY) is ActionResult.OTHER_REASON
    assert bench.happened[-1] is Cause.IMAGE_VERIFICATION_FAILED
    bench.send()
    bench.call(Call.VERIFY)
    bench.call(Call.ACTIVATE)
    bench.wait(20)
    assert (bench.get(6), bench.firmware()) == (ACTIVATED, b"new one")


def altered(octets: bytes) -> bytes:
    """Return an image whose signature is wrong."""
    return octets[:-1] + bytes((octets[-1] ^ 1,))


def container(*parts: ImagePart) -> bytes:
    return make_image(parts, demo_signing_key())


def test_signed_images_become_the_firmware_they_are_for() -> None:
    bench = Bench(signed_by(DEMO_IMAGE_KEY), verify_duration=0, activation_duration=0)
    both = container(ImagePart(THIS_DEVICE, 0, b"M2", b"metrology"), ImagePart(THIS_DEVICE, 1, b"A2", b"application"))
    bench.send(both)
    assert bench.call(Call.VERIFY) is ActionResult.SUCCESS
    signature = both[-64:]
    assert bench.get(7) == ((9, b"M2", signature), (11, b"A2", signature))
    assert bench.call(Call.ACTIVATE) is ActionResult.SUCCESS
    assert (bench.firmware("1-0:0.2.0"), bench.firmware("1-1:0.2.0")) == (b"M2", b"A2")
    assert bench.firmware("1-1:0.2.8") == signature


@pytest.mark.parametrize(
    "wrong",
    [
        WHOLE,
        altered(container(ImagePart(THIS_DEVICE, 0, b"M2", b"x"))),
        container(ImagePart(THIS_DEVICE, 5, b"M2", b"x")),
    ],
    ids=["no container", "signature", "no such firmware"],
)
def test_what_is_not_genuine_or_for_others_is_refused(wrong: bytes) -> None:
    bench = Bench(signed_by(DEMO_IMAGE_KEY), verify_duration=0)
    bench.send(wrong)
    assert bench.call(Call.VERIFY) is ActionResult.OTHER_REASON
    assert (bench.get(6), bench.get(7), bench.happened) == (UNVERIFIED, (), [Cause.IMAGE_VERIFICATION_FAILED])


def test_without_a_key_no_image_is_genuine() -> None:
    bench = Bench(signed_by(None), verify_duration=0)
    bench.send(container(ImagePart(THIS_DEVICE, 0, b"M2", b"x")))
    assert bench.call(Call.VERIFY) is ActionResult.OTHER_REASON


def test_an_image_for_an_mbus_device_is_kept_until_it_can_be_delivered() -> None:
    bench = Bench(signed_by(DEMO_IMAGE_KEY), verify_duration=0)
    bench.send(container(ImagePart(MBUS_DEVICE, 2, b"G7", b"gas meter")))
    assert bench.call(Call.VERIFY) is ActionResult.SUCCESS
    assert bench.call(Call.ACTIVATE) is ActionResult.TEMPORARY_FAILURE, "nothing delivers it yet"
    assert bench.get(6) == VERIFIED
    assert bench.image.held[2].payload == b"gas meter"
    delivered: list[Image] = []

    def deliver(image: Image) -> bool:
        delivered.append(image)
        return True

    bench.image.deliver = deliver
    assert bench.call(Call.ACTIVATE) is ActionResult.SUCCESS
    assert [(image.place, image.payload) for image in delivered] == [(2, b"gas meter")]
    assert (bench.get(6), bench.image.held, bench.firmware()) == (ACTIVATED, {}, OLD)


def test_an_image_for_an_mbus_device_outlives_the_next_transfer() -> None:
    bench = Bench(signed_by(DEMO_IMAGE_KEY), verify_duration=0)
    bench.send(container(ImagePart(MBUS_DEVICE, 2, b"G7", b"gas meter")))
    bench.call(Call.VERIFY)
    bench.initiate()
    bench.power_cut()
    assert bench.image.held[2].identifier == b"G7"


# --- the table ------------------------------------------------------------------------------------------------------

_NEXT = {
    Does.BEGIN: {INITIATED},
    Does.STORE: {INITIATED},
    Does.VERIFY: {VERIFYING, VERIFIED, UNVERIFIED},
    Does.NOTHING: set(),
    Does.ACTIVATE: {ACTIVATING, ACTIVATED},
    Does.VERIFY_FIRST: {VERIFYING, UNVERIFIED, NOT_ACTIVATED, ACTIVATING, ACTIVATED},
    Does.REFUSE: set(),
    Does.WAIT: set(),
}


@given(st.data())
def test_no_input_leads_outside_the_table(data: st.DataObject) -> None:
    durations = data.draw(st.tuples(st.sampled_from([0, 3]), st.sampled_from([0, 4])))
    bench = Bench(block_size=4, verify_duration=durations[0], activation_duration=durations[1])
    steps = st.sampled_from([*Call, "wait", "cut"])
    for step in data.draw(st.lists(steps, max_size=40)):
        before, enabled = bench.image.status, bench.image.enabled
        if step == "wait":
            bench.wait(data.draw(st.integers(1, 10)))
            outcomes = {
                VERIFYING: {VERIFIED, UNVERIFIED, ACTIVATING, ACTIVATED, NOT_ACTIVATED},
                ACTIVATING: {ACTIVATED},
            }
            assert bench.image.status in {before} | outcomes.get(before, set())
        elif step == "cut":
            bench.power_cut(3)
            assert bench.image.status == {VERIFYING: INITIATED, ACTIVATING: VERIFIED}.get(before, before)
            assert not bench.device.down
        else:
            assert isinstance(step, Call)
            assert enabled
            size = data.draw(st.integers(0, 9))
            first = data.draw(st.sampled_from([0x00, 0xFF]))
            parameter: dict[Call, Any] = {
                Call.INITIATE: (b"V", size),
                Call.BLOCK_TRANSFER: (size, bytes((first,)) * data.draw(st.integers(0, 5))),
            }
            result = bench.call(step, parameter.get(step, 0))
            does = TABLE[before, step]
            assert bench.image.status in {before} | _NEXT[does]
            if does is Does.REFUSE:
                assert (result, bench.image.status) == (ActionResult.OTHER_REASON, before)
            if does is Does.WAIT:
                assert (result, bench.image.status) == (ActionResult.TEMPORARY_FAILURE, before)
        first_missing = bench.bits.find("0")
        assert bench.get(4) == (len(bench.bits) if first_missing < 0 else first_missing)


# --- in the meter -----------------------------------------------------------------------------------------------


def test_the_meter_takes_images_from_its_manager_alone() -> None:
    meter = build(START, START + 60, image_key=DEMO_IMAGE_KEY)
    target = MethodDescriptor(18, NAME, 1)
    parameter = axdr.encode(axdr.structure(axdr.octet_string(b"V2"), axdr.double_long_unsigned(1000)))
    reading = session(meter, 2)
    assert meter.device.action(reading, target, parameter)[0] is ActionResult.READ_WRITE_DENIED
    managing = session(meter, 1)
    assert meter.device.action(managing, target, parameter)[0] is ActionResult.SUCCESS
    read_only = {2: axdr.double_long_unsigned(1), 6: axdr.enum(3)}
    for number, value in read_only.items():
        answer = meter.device.set(managing, AttributeDescriptor(18, NAME, number), None, axdr.encode(value))
        assert answer is DataAccessResult.READ_WRITE_DENIED

"""COSEM over a power line: small frames, broadcasts with gaps filled, alarms that notify, objects that show and set."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cosem.apdu.base import AttributeDescriptor
from cosem.apdu.notify import DataNotification
from cosem.apdu.set import SetRequestNormal
from cosem.association.steps import Post
from cosem.classes.c018_image_transfer import ImageTransferStatus
from cosem.client.core import Core
from cosem.client.firmware import ImagePatience, ImageUpdate
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.concentrator.power_line import notification
from cosem.errors import AccessError, ConnectionLost, LocalProtocolError
from cosem.link.base import Address
from cosem.obis import Obis
from cosem.plc.addresses import ALL_PHYSICAL, NEW
from cosem.plc.initiator import InitiatorSettings
from cosem.plc.llc import LlcSettings
from cosem.plc.mac_settings import MacSettings, Timeouts
from cosem.plc.procedures import Unsolicited
from cosem.plc.registry import Membership
from cosem.plc.reporting import ReportingSystem
from cosem.security.image import ImagePart, make_image
from cosem.simulator.feeder import line_of_repeaters, random_feeder
from cosem.simulator.feeder_meter import CONCENTRATOR_TITLE, ENERGY, IMAGE_BLOCK, LightMeter, MeterOnLine
from cosem.simulator.feeder_network import title_of
from cosem.simulator.meter import demo_settings, demo_signing_key, simulated_meter
from cosem.simulator.power_line_site import PowerLineSite
from cosem.times import CosemDateTime

SETUP, ACTIVE, TIMEOUTS = (Obis.parse(f"0-0:26.{number}.0.255") for number in (0, 1, 2))
COUNTERS, LLC = Obis.parse("0-0:26.3.0.255"), Obis.parse("0-0:26.5.0.255")
LLC_TYPE_1, LLC_TYPE_2, LLC_TYPE_3 = (Obis.parse(f"0-0:27.{number}.0.255") for number in range(3))
IMAGE = Obis.parse("0-0:44.0.0.255")


def site(meters: int = 3, **options: Any) -> PowerLineSite:
    made = PowerLineSite(random_feeder(meters, seed=2), seed=2, **options)
    made.network.discover()
    return made


def light(made: PowerLineSite, station: int) -> LightMeter:
    meter = made.network.meters[station]
    assert isinstance(meter, LightMeter)
    return meter


def opened(*steps: Any) -> Any:
    """Return a conversation that associates, takes steps, and releases; its result is a list of theirs."""

    def talk(core: Core) -> Any:
        yield from core.open()
        results = []
        for step in steps:
            try:
                results.append((yield from step(core)))
            except AccessError as error:
                results.append(error)
        yield from core.close()
        return results

    return talk


def get(class_id: int, name: Obis, attribute: int) -> Any:
    return lambda core: core.get_data(class_id, name, attribute)


def put(class_id: int, name: Obis, attribute: int, value: Data) -> Any:
    return lambda core: core.set_data(class_id, name, attribute, value)


# --- frames of all lengths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [134, 242])
def test_long_answers_come_in_blocks_that_fit_a_frame(length: int) -> None:
    made = site(1, llc=LlcSettings(length))
    lengths: list[int] = []
    initiator = made.network.initiator
    handle = initiator.handle

    def watched(event: Any, now: int) -> None:
        if hasattr(event, "frame"):
            lengths.append(len(event.frame.sdu))
        handle(event, now)

    initiator.handle = watched  # type: ignore[method-assign]
    report = made.read_profiles().report
    assert report.rows == 96
    assert max(lengths) <= length
    assert max(lengths) > length - 20


def test_the_smallest_frame_carries_blocks_of_a_pre_established_association() -> None:
    """26 octets of M_sdu are 23 of APDU: no AARQ fits, and a GET is answered 12 octets a block."""
    from cosem.device.associations import AssociationSpec, read_only

    made = site(1, llc=LlcSettings(26))
    meter = made.network.meter(1)
    assert isinstance(meter, LightMeter)
    meter.logical.associate(AssociationSpec(3, 4, read_only, pre_established=True, max_pdu_size=23))
    meter.logical.build()

    def talk(core: Core) -> Any:
        yield from core.open()
        return (yield from core.get_data(7, Obis.parse("1-0:99.1.0.255"), 3))

    columns = made.run(
        title_of(1), talk, client_sap=3, mechanism=0, protection=0, pre_established=True, max_pdu_size_of_peer=23
    )
    assert len(columns.value) == 2


def test_an_apdu_that_fits_no_frame_is_refused_with_the_reason() -> None:
    made = site(1, llc=LlcSettings(26))
    with pytest.raises(ConnectionLost):
        made.run(title_of(1), opened())
    with pytest.raises(LocalProtocolError):
        made.carrier.broadcast(1, bytes(24), lambda: None)


def test_seven_repeaters_far_away_gmac_and_blocks_still_work() -> None:
    made = PowerLineSite(line_of_repeaters(7))
    made.network.discover()
    title = title_of(8)
    (energy,) = made.run(title, opened(get(3, Obis.parse(ENERGY), 2)))
    # The association was released since, which took a while.
    assert 0 <= light(made, 8).energy(light(made, 8).device.now) - energy.value < 10
    assert made.network.initiator.registry.systems[title].credit == 7


@pytest.mark.parametrize("length", [60, 134, 242])
def test_hdlc_and_the_connectionless_llc_share_a_line(length: int) -> None:
    """HDLC cuts APDUs into segments, so that even short frames carry an AARQ with GMAC."""
    made = site(2, llc=LlcSettings(length))
    selected = get(7, Obis.parse("1-0:99.1.0.255"), 2)
    energy, rows = made.run(title_of(1), opened(get(3, Obis.parse(ENERGY), 2), selected), hdlc=True, max_pdu_size=1024)
    meter = light(made, 1)
    assert 0 <= meter.energy(meter.device.now) - energy.value < 300
    assert len(rows.value) == 192
    if length > 60:
        (again,) = made.run(title_of(1), opened(get(3, Obis.parse(ENERGY), 2)))
        assert again.value >= energy.value
    assert not meter.device.sessions


def test_frames_of_hdlc_lost_on_the_line_come_again() -> None:
    made = site(1)
    initiator, count = made.network.initiator, 0
    handle = initiator.handle

    def lossy(event: Any, now: int) -> None:
        nonlocal count
        if hasattr(event, "frame") and event.frame.sdu[:1] == b"\x7e":
            count += 1
            if count % 3 == 0:
                return
        handle(event, now)

    initiator.handle = lossy  # type: ignore[method-assign]
    (rows,) = made.run(title_of(1), opened(get(7, Obis.parse("1-0:99.1.0.255"), 2)), hdlc=True)
    assert len(rows.value) == 192
    assert initiator.repeated > 5


# --- objects ------------------------------------------------------------------------------------------------------


def test_classes_50_to_56_show_their_layers() -> None:
    made = site(6)
    answers = made.run(
        title_of(4),
        opened(
            *(get(50, SETUP, number) for number in (8, 9, 11, 12, 13, 14)),
            get(51, ACTIVE, 2),
            get(53, COUNTERS, 4),
            get(55, LLC, 2),
        ),
    )
    system = made.network.systems[4]
    values = [answer.value for answer in answers]
    assert values[0] == system.mac.address == made.network.initiator.registry.systems[title_of(4)].address
    assert [item.value for item in values[1]] == [ALL_PHYSICAL]
    assert values[2] == system.mac.repeats
    assert values[3] == 0
    assert values[4:6] == [0xC00, True]
    assert [item.value for item in values[6]] == [b"CSMCON01", 0xC00, 1]
    assert values[7][0].value[0].value == 0xC00
    assert values[7][0].value[1].value > 10
    assert values[8] == 134


def test_set_up_objects_of_other_llcs_are_there_and_keep_what_is_written() -> None:
    made = site(3)
    answers = made.run(
        title_of(2),
        opened(get(57, LLC_TYPE_1, 2), get(58, LLC_TYPE_2, 5), get(59, LLC_TYPE_3, 3)),
    )
    assert [answer.value for answer in answers] == [128, 3, 3]
    assert made.run(title_of(2), opened(put(57, LLC_TYPE_1, 2, axdr.long_unsigned(64)), get(57, LLC_TYPE_1, 2)))[1] == (
        axdr.long_unsigned(64)
    )


def test_time_outs_groups_and_repeaters_are_set_and_hold() -> None:
    made = site()
    group = Data(Tag.ARRAY, (axdr.long_unsigned(0xE01), axdr.long_unsigned(ALL_PHYSICAL)))
    no_group = Data(Tag.ARRAY, (axdr.long_unsigned(0x001),))
    made.run(
        title_of(1),
        opened(
            put(52, TIMEOUTS, 4, axdr.long_unsigned(7)),
            put(50, SETUP, 9, group),
            put(50, SETUP, 10, Data(Tag.ENUM, 0)),
            put(50, SETUP, 6, axdr.unsigned(90)),
        ),
    )
    mac = made.network.systems[1].mac
    assert mac.follower.timeouts == Timeouts(not_addressed_min=7)
    assert mac.follower.groups == (0xE01,)
    assert mac.settings.search_threshold == 90
    assert not mac.repeats
    refused = made.run(
        title_of(1),
        opened(
            put(50, SETUP, 9, no_group),
            put(50, SETUP, 15, Data(Tag.ENUM, 1)),
            put(55, LLC, 2, axdr.long_unsigned(25)),
        ),
    )
    assert all(isinstance(error, AccessError) for error in refused)
    assert mac.follower.groups == (0xE01,)


def test_a_frame_length_that_was_set_holds_for_the_next_association() -> None:
    made = site(1)
    made.run(title_of(1), opened(put(55, LLC, 2, axdr.long_unsigned(170))))
    assert light(made, 1).port.link.max_apdu == 167


def test_counters_are_reset_and_begin_anew() -> None:
    made = site(2)
    before, _, after = made.run(
        title_of(1),
        opened(
            get(53, COUNTERS, 7),
            lambda core: core.call_data(53, COUNTERS, 1, Data(Tag.INTEGER, 0)),
            get(53, COUNTERS, 7),
        ),
    )
    assert before.value > after.value


def test_a_reset_station_is_new_behind_its_answer_and_found_again() -> None:
    made = site(3)
    before = made.network.systems[2].mac.address

    def reset(core: Core) -> Any:
        yield from core.open()
        return (yield from core.call_data(51, ACTIVE, 1, axdr.long_unsigned(0xC00)))

    assert made.run(title_of(2), reset) is None
    made.network.run(made.network.now + 20)
    system = made.network.systems[2]
    assert system.mac.address == NEW
    assert system.mac.initiator == 0xC00
    assert not light(made, 2).device.sessions
    with pytest.raises(ConnectionLost):
        made.run(title_of(2), opened())
    made.network.discover()
    assert system.mac.address == before
    made.run(title_of(2), opened(get(3, Obis.parse(ENERGY), 2)))


def test_a_meter_that_comes_back_has_its_counters_and_none_of_its_associations() -> None:
    made = site(2)

    def stay(core: Core) -> Any:
        yield from core.open()

    made.run(title_of(1), stay)
    meter = light(made, 1)
    key = made.keys.global_unicast_encryption_key or b""
    counter = meter.device.received_counter(key)
    assert counter > 0
    made.network.restart_meter(1)
    assert not meter.device.sessions
    (address,) = made.run(title_of(1), opened(get(50, SETUP, 8)))
    assert address.value == made.network.systems[1].mac.address != NEW
    assert light(made, 1) is meter
    assert meter.device.received_counter(key) > counter


def test_associations_are_released_when_nobody_spoke_for_too_long() -> None:
    made = site(
        1,
        mac=MacSettings(timeouts=Timeouts(not_addressed_min=10)),
        initiator=InitiatorSettings(b"CSMCON01", keep_alive_s=0),
    )

    def stay(core: Core) -> Any:
        yield from core.open()

    made.run(title_of(1), stay)
    assert light(made, 1).device.sessions
    made.network.run(made.network.now + made.network.medium.rate.slots_in(1200))
    assert made.network.systems[1].mac.address == NEW
    assert not light(made, 1).device.sessions


# --- to all -------------------------------------------------------------------------------------------------------


def test_an_image_goes_to_all_and_gaps_are_filled_one_by_one() -> None:
    made = site(5)
    payload = bytes(number * 7 % 256 for number in range(20 * IMAGE_BLOCK))
    image = make_image([ImagePart(0, 0, b"firmware 2", payload)], demo_signing_key())
    medium = made.network.medium
    frames = 0

    def count(item: Any) -> None:
        nonlocal frames
        frames += 1
        # One meter has no supply for a while in the middle.
        if frames in (5, 9):
            medium.switch(2, frames == 9)

    medium.on_air = count
    blocks = made.broadcast_image(image, b"firmware 2", block_size=IMAGE_BLOCK)
    medium.on_air = None
    assert blocks == -(-len(image) // IMAGE_BLOCK)

    def fill(core: Core) -> Any:
        yield from core.open()
        work = ImageUpdate(core, image, b"firmware 2", activate=False, patience=ImagePatience(pause=1.0))
        report = yield from work.run()
        yield from core.close()
        return report

    reports = {station: made.run(title_of(station), fill) for station in made.network.systems}
    assert all(report.status == ImageTransferStatus.VERIFICATION_SUCCESSFUL for report in reports.values())
    assert [reports[station].sent for station in (1, 3, 4, 5)] == [0, 0, 0, 0]
    assert 0 < reports[2].sent < blocks


def test_the_clocks_of_all_are_set_at_once() -> None:
    made = site(4)
    meters = {station: made.network.meter(station) for station in made.network.systems}
    moment = CosemDateTime.from_datetime(datetime(2027, 1, 1, 12, tzinfo=UTC))

    def set_all(core: Core) -> Any:
        target = AttributeDescriptor(8, Obis.parse("0-0:1.0.0.255"), 2)
        yield Post(SetRequestNormal(target, None, axdr.encode(axdr.octet_string(moment.to_octets()))))

    made.broadcast(set_all)
    for meter in meters.values():
        assert isinstance(meter, LightMeter)
        assert abs(meter.clock.now - int(moment.to_datetime().timestamp())) < 30


def test_whole_meters_live_on_the_line_and_take_an_emergency_together() -> None:
    def build(station: int, reporting: ReportingSystem) -> MeterOnLine:
        settings = replace(
            demo_settings(station),
            system_title=reporting.settings.title,
            broadcast_title=CONCENTRATOR_TITLE,
            max_pdu_size=131,
        )
        end = datetime.fromtimestamp(made.network.utc, UTC)
        return MeterOnLine(reporting, simulated_meter(seed=station, end=end, days=0.1, settings=settings))

    made = PowerLineSite(random_feeder(2, seed=2), seed=2, meter=build)
    made.network.discover()
    meters = [made.network.meter(station) for station in (1, 2)]
    limiter = Obis.parse("0-0:17.0.0.255")
    (groups, listed) = made.run(
        title_of(1),
        opened(
            put(71, limiter, 9, Data(Tag.ARRAY, (axdr.long_unsigned(7),))),
            get(15, Obis.parse("0-0:40.0.0.255"), 2),
        ),
    )
    assert groups is None
    assert {50, 51, 52, 53, 55, 56} <= {item.value[0].value for item in listed.value}
    begin = CosemDateTime.from_datetime(datetime.fromtimestamp(made.network.utc - 60, UTC))
    profile = axdr.structure(
        axdr.long_unsigned(7), axdr.octet_string(begin.to_octets()), axdr.double_long_unsigned(3600)
    )

    def emergency(core: Core) -> Any:
        yield Post(SetRequestNormal(AttributeDescriptor(71, limiter, 8), None, axdr.encode(profile)))

    made.broadcast(emergency)
    made.network.run(made.network.now + 50)
    active = []
    for meter in meters:
        assert isinstance(meter, MeterOnLine)
        meter.advance(made.network.utc)
        active.append(bool(meter.meter.equipment.limiter.object.emergency_profile_active))
    # The other one does not belong to the group.
    assert active == [True, False]


# --- alarms -------------------------------------------------------------------------------------------------------


def test_an_alarm_brings_its_data_notification_to_the_concentrator() -> None:
    made = site(4)
    meter = made.network.meter(3)
    assert isinstance(meter, LightMeter)
    body = axdr.encode(axdr.structure(axdr.octet_string(b"cover opened"), axdr.unsigned(3)))
    meter.port.notify(Address(1, 1), DataNotification(b"", body))
    told: list[Any] = []
    made.network.on_event = lambda station, event: told.append(event)
    made.network.raise_alarm(3, 0x21)
    made.network.initiator.ping(title_of(1))
    made.network.flush()
    made.network.run(made.network.now + 600)
    unsolicited = [event for event in told if isinstance(event, Unsolicited)]
    assert [event.title for event in unsolicited] == [title_of(3)]
    address, apdu = notification(unsolicited[0].m_sdu)
    assert address == Address(1, 1)
    assert apdu[0] == 0x0F
    assert body in apdu
    assert made.network.initiator.registry.systems[title_of(3)].membership is Membership.PRESENT

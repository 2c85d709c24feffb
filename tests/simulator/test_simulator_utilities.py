"""Utility meters behind a simulated meter: on its bus and in the air, in stories, and the same every time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.classes.c072_mbus_client import EncryptionKeyStatus
from cosem.codec import axdr
from cosem.device.utility.meter import Tamper
from cosem.errors import ConfigError
from cosem.explain.mbus import by_number, explain_mbus
from cosem.mbus.wireless import Format, WirelessFrame, encode_frame
from cosem.obis import Obis
from cosem.simulator.meter import simulated_meter
from cosem.simulator.scenario import load, parse
from cosem.simulator.story import Story
from cosem.simulator.utilities import DEMO_MBUS_KEY, DEMO_RADIO_KEY, Utilities, kinds_of, mbus_settings, utilities_of

END = datetime(2026, 11, 3, tzinfo=UTC)
HOUSE = Path(__file__).parents[2] / "examples" / "scenarios" / "house.toml"
HOUR = 3600


def house(kinds: str, *, days: float = 1, seed: int = 1) -> tuple[Any, Utilities]:
    meter = simulated_meter(seed=seed, end=END, days=days, utilities=kinds_of(kinds))
    utilities = utilities_of(meter)
    assert utilities is not None
    return meter, utilities


def client(meter: Any, channel: int) -> Any:
    return meter.equipment.mbus.channels[channel].client


def hourly(meter: Any, channel: int) -> list[bytes]:
    return [row.octets for row in meter.equipment.mbus.channels[channel].profiles.hourly.rows]


def value(meter: Any, channel: int) -> Any:
    return client(meter, channel).values.objects[0].store.values[2].value


@pytest.fixture(scope="module")
def day() -> tuple[Any, Utilities]:
    return house("gas,water,warm-water,heat,electricity,gas-radio,water-radio,heat-radio")


def test_every_kind_is_installed_and_read_every_hour(day: tuple[Any, Utilities]) -> None:
    meter, utilities = day
    for channel, speaker in utilities.speakers.items():
        found = client(meter, channel)
        assert found.meter == speaker.address
        assert len(hourly(meter, channel)) == 24
        assert found.failures == 0
        assert value(meter, channel) > 0
    assert meter.equipment.mbus.unknown == 0


def test_the_value_is_what_the_device_shows(day: tuple[Any, Utilities]) -> None:
    meter, utilities = day
    gas, heat = utilities.speakers[1].meter, utilities.speakers[4].meter
    # The devices lived on for the seconds that the others took on the wire.
    assert 0 <= gas.amount // 1000 - value(meter, 1) <= 1
    assert 0 <= heat.energy // 360_000 - value(meter, 4) <= 1


def test_a_wireless_device_is_heard_with_its_strength_and_its_key_in_use(day: tuple[Any, Utilities]) -> None:
    meter, _ = day
    for channel in (6, 7, 8):
        assert client(meter, channel).key_status is EncryptionKeyStatus.ENCRYPTION_KEY_IN_USE
        assert client(meter, channel).address == 0
        assert 50 < client(meter, channel).diagnostic.signal < 100
    assert client(meter, 1).diagnostic.signal == 0


def test_the_same_seed_gives_the_same_rows_and_another_one_others() -> None:
    one, same, other = (house("gas,water-radio", days=0.5, seed=seed)[0] for seed in (1, 1, 2))
    for channel in (1, 2):
        assert hourly(one, channel) == hourly(same, channel)
        assert hourly(one, channel) != hourly(other, channel)


def test_a_wireless_device_takes_no_orders_and_a_wrong_key_hears_nothing() -> None:
    meter, _ = house("gas-radio", days=0.2)
    name, invoke = Obis.parse("0-1:24.1.0.255"), meter.host.invoke
    assert invoke(72, name, 5, axdr.integer(0)) == 2
    assert invoke(70, Obis.parse("0-1:24.4.0.255"), 1, axdr.integer(0)) == 2
    before = value(meter, 1)
    invoke(72, name, 7, axdr.octet_string(bytes(16)))
    meter.advance(meter.now + 3 * HOUR)
    assert client(meter, 1).status & 3 == 2
    assert client(meter, 1).lost
    assert value(meter, 1) == before
    assert invoke(72, name, 2, axdr.integer(0)) == 0
    assert not client(meter, 1).bound


def test_a_wireless_device_that_stops_to_send_is_lost_after_three_hours() -> None:
    meter, utilities = house("water-radio", days=0.2)
    utilities.speakers[1].meter.drain(0)
    meter.advance(meter.now + 4 * HOUR)
    assert client(meter, 1).lost


def test_frames_of_strangers_are_counted_and_nothing_more() -> None:
    meter, _ = house("water-radio", days=0.1)
    stranger = house("gas-radio", days=0.01, seed=9)[1].speakers[1]
    mbus = meter.equipment.mbus
    for octets in (stranger.radio_frame(), b"", b"\x05garbage", bytes(40)):
        mbus.hear(octets, meter.now, -70)
    assert mbus.unknown == 4
    assert client(meter, 1).failures == 0


def test_whoever_overhears_the_house_has_what_the_meter_had() -> None:
    (meter, utilities), (alone, _) = house("gas,water-radio", days=0.1), house("gas,water-radio", days=0.1)
    frames: list[bytes] = []
    utilities.overhear(frames.append)
    for lives in (meter, alone):
        lives.advance(lives.now + 3 * HOUR)
    numbers = {speaker.address.number: DEMO_RADIO_KEY for speaker in utilities.speakers.values() if speaker.key}
    said = explain_mbus("\n".join(octets.hex() for octets in frames), keys=by_number(numbers))
    assert said.ok
    telegrams = [frame for frame in said.frames if frame.telegram is not None]
    assert {(frame.header()["medium_name"], frame.wired) for frame in telegrams} == {
        ("gas", True),
        ("cold water", False),
    }
    assert sum(frame.wired for frame in telegrams) == 3
    # Nobody notices.
    for channel in (1, 2):
        assert hourly(meter, channel) == hourly(alone, channel)


def test_what_a_repeater_sends_again_is_no_error() -> None:
    meter, utilities = house("gas-radio", days=0.1)
    mbus, speaker = meter.equipment.mbus, utilities.speakers[1]
    frame = speaker.radio_frame()
    for _ in range(3):
        mbus.hear(frame, meter.now, -60)
        assert client(meter, 1).status & 3 != 2
    assert mbus.unknown == 0
    broken = bytearray(speaker.radio_frame())
    broken[20] ^= 1
    mbus.hear(bytes(broken), meter.now, -60)
    assert client(meter, 1).failures == 0


_HEARING: list[tuple[Any, Utilities]] = []


@settings(max_examples=150)
@given(
    st.sampled_from([b"", b"\x7a", b"\x72", b"\x8c\x00\x01\x7a", b"\x8d\x00\x01\x00\x00\x00\x00", b"\x90\x05\x00\x00"]),
    st.binary(max_size=60),
)
def test_whatever_a_device_sends_in_whole_frames_the_meter_lives_on(front: bytes, rest: bytes) -> None:
    if not _HEARING:
        _HEARING.append(house("gas-radio", days=0.05))
    meter, utilities = _HEARING[0]
    address = utilities.speakers[1].address
    for form in (Format.A, Format.B):
        frame = encode_frame(WirelessFrame(0x44, address, front + rest, form))
        meter.equipment.mbus.hear(frame, meter.now, -60, form)
    assert client(meter, 1).bound
    assert client(meter, 1).key_status == EncryptionKeyStatus.ENCRYPTION_KEY_IN_USE


def test_a_wireless_device_is_installed_by_its_identity_alone() -> None:
    meter = simulated_meter(end=END, days=0, utilities=())
    assert meter.equipment.mbus is None
    assert utilities_of(meter) is None


def test_keys_travel_under_the_key_the_device_came_with() -> None:
    from cosem.mbus.key_change import wrap

    meter, utilities = house("heat", days=0.1)
    name, key = Obis.parse("0-1:24.1.0.255"), bytes(range(0x40, 0x50))
    assert meter.host.invoke(72, name, 8, axdr.octet_string(wrap(DEMO_MBUS_KEY, key))) == 0
    assert utilities.speakers[1].key == key
    assert meter.host.invoke(72, name, 7, axdr.octet_string(key)) == 0
    assert meter.host.invoke(72, name, 3, axdr.integer(0)) == 0
    assert client(meter, 1).key_status == 4


@pytest.mark.parametrize("text", ["oil", "gas,,oil", "gas radio", "radio", "gas-radio-radio"])
def test_kinds_that_there_are_not(text: str) -> None:
    with pytest.raises(ConfigError, match="no utility meter"):
        kinds_of(text)


def test_channels_there_are_four_of_at_least() -> None:
    assert [channel.number for channel in mbus_settings(("gas",)).channels] == [1, 2, 3, 4]
    assert len(mbus_settings(("gas",) * 6).channels) == 6


# --- stories ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def story() -> Story:
    made = Story(load(HOUSE))
    made.run()
    return made


def test_the_story_of_the_house_has_all_that_the_file_promises(story: Story) -> None:
    lines = {(line.local[:16], line.kind, line.what) for line in story.lines}
    assert {
        ("2026-11-02T08:00", "done", "disconnect (object 0-1:24.4.0): success"),
        ("2026-11-02T08:00", "event", "162 in the mbus log 0-0:99.98.3.255: M-Bus channel 1: remote disconnection"),
        ("2026-11-02T14:00", "object", "valve 0-1:24.4.0.255: disconnected -> ready for reconnection"),
        ("2026-11-02T14:20", "done", "mbus button (channel 1): the valve is open"),
        ("2026-11-02T15:00", "happened", "valve opened by hand (channel 1)"),
        ("2026-11-03T03:00", "alarm", "0-0:97.98.0.255 set: M-Bus channel 2: fraud attempt"),
        ("2026-11-03T15:00", "event", "130 in the mbus log 0-0:99.98.3.255: M-Bus channel 4: communication error"),
        ("2026-11-03T22:00", "alarm", "0-0:97.98.0.255 cleared: M-Bus channel 4: communication error"),
        ("2026-11-04T02:30", "happened", "valve does not move (channel 1)"),
        ("2026-11-04T19:00", "event", "122 in the mbus log 0-0:99.98.3.255: M-Bus channel 3: replace battery"),
    } <= lines


def test_what_happens_to_nobody_is_said() -> None:
    text = (
        "start = 2026-11-02T06:00:00\ndays = 0.2\n[meter]\nmbus = 'water,water-radio,electricity'\n"
        "[[happens]]\nin = '1h'\ndo = 'mbus silent'\nchannel = 9\n"
        "[[happens]]\nin = '1h'\ndo = 'mbus silent'\nchannel = 2\n"
        "[[happens]]\nin = '1h'\ndo = 'mbus tampered'\nchannel = 1\nhow = 'hammer'\n"
        "[[happens]]\nin = '1h'\ndo = 'mbus valve stuck'\nchannel = 1\n"
        "[[happens]]\nin = '1h'\ndo = 'mbus button'\nchannel = 1\n"
        "[[happens]]\nin = '1h'\ndo = 'mbus battery low'\nchannel = 3\n"
    )
    told = [line.what.split(": ", 1)[1] for line in Story(parse(text), days=0).run() if line.kind == "done"]
    assert told == [
        "nothing, there is no simulated device on this channel",
        "nothing, it is wireless",
        f"nothing, there is {', '.join(Tamper)}",
        "nothing, there is no valve",
        "nothing, the valve is not released",
        "nothing, there is no battery",
    ]


def test_a_scenario_names_utility_meters_that_there_are() -> None:
    scenario = parse("start = 2026-11-02T06:00:00\ndays = 1\n[meter]\nmbus = 'oil'\n")
    with pytest.raises(ConfigError, match="no utility meter"):
        Story(scenario)

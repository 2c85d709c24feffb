"""Utility meters by radio in virtual time: a week of telegrams with loss, bit errors, replays, and an empty battery."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.device.utility.meter import DAY, Tamper
from cosem.device.utility.radio import RadioMeter
from cosem.errors import ConfigError
from cosem.mbus.keys import Reason
from cosem.mbus.model import models
from cosem.mbus.readings import Reading, reading
from cosem.mbus.receiver import TelegramReceiver
from cosem.mbus.wireless import Format
from cosem.simulator.mbus_air import Air, AirQuality, AirReceiver
from support.utility_meters import KEY, NEW_KEY, START, speaker, store

RADIO = [model.name for model in models() if model.radio is not None]
ALL = frozenset(("T1", "C1", "S1"))
HERE = AirReceiver("here", ALL)
CALM = AirQuality(fading=0.0)


def radio(model: str, *, seed: int = 1, key: bytes | None = KEY, **more) -> RadioMeter:
    return RadioMeter(speaker(model, key=key, **more), seed)


def house(key: bytes | None = KEY) -> list[RadioMeter]:
    return [
        radio(name, seed=index, key=key, identification=f"{index:08d}") for index, name in enumerate(RADIO, start=1)
    ]


def receiver(*meters: RadioMeter, key: bytes = KEY) -> TelegramReceiver:
    keys = store(meters[0].speaker.address, key)
    for meter in meters:
        keys.add(meter.speaker.address, key)
    return TelegramReceiver(keys)


def readings(air: Air, ear: TelegramReceiver, until: float) -> list[Reading]:
    found = []
    for heard in air.run(until):
        telegram = ear.try_receive(heard.octets, heard.at, link="wireless", form=heard.form)
        if telegram is not None:
            moment = datetime.fromtimestamp(heard.at, UTC)
            found.append(reading(telegram, models(), timestamp=moment, rssi=heard.rssi))
    return found


def test_a_week_of_a_house_is_heard_but_for_what_the_air_takes():
    meters = house()
    air = Air(meters, [HERE], AirQuality(loss=0.1, errors=0.05), seed=7)
    ear = receiver(*meters)
    found = readings(air, ear, START + 7 * DAY)
    sent = {meter.speaker.model.name: 7 * DAY // meter.speaker.model.radio.period for meter in meters}
    assert abs(air.sent - sum(sent.values())) <= len(meters)
    # A tenth is lost, a twentieth of the rest has a wrong CRC: 85.5 of a hundred come through.
    for name, count in sent.items():
        heard = [item for item in found if item.meter == name]
        assert 0.75 * count < len(heard) < 0.95 * count, name
    assert set(ear.failures) == {Reason.MALFORMED}
    assert len(found) + air.lost + ear.failures[Reason.MALFORMED] == air.sent
    for meter in meters:
        name = meter.speaker.model.name
        totals = [
            item.values.get("total_m3", item.values.get("total_energy_consumption_kwh"))
            for item in found
            if item.meter == name
        ]
        assert all(later >= earlier for earlier, later in pairwise(totals))
        assert totals[-1] > totals[0]
        meter.speaker.meter.settle(START + 7 * DAY)


def test_the_same_seed_is_the_same_air():
    def run(seed: int):
        return [tuple(heard) for heard in Air(house(), [HERE], AirQuality(0.2, 0.1), seed).run(START + DAY)]

    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize("name", RADIO)
def test_each_model_is_read_under_its_key_and_nobody_elses(name):
    meter = radio(name)
    sent = meter.send()
    ear = receiver(meter)
    telegram = ear.receive(sent.octets, sent.at, link="wireless")
    assert telegram.verified
    assert reading(telegram, models(), timestamp=datetime.now(UTC)).meter == name
    assert ear.try_receive(sent.octets, sent.at, link="wireless") is None
    assert ear.failures == {Reason.REPLAY: 1}
    stranger = receiver(meter, key=NEW_KEY)
    assert stranger.try_receive(sent.octets, sent.at, link="wireless") is None
    assert stranger.failures == {Reason.WRONG_KEY: 1}
    clear = radio(name, key=None).send()
    assert ear.try_receive(clear.octets, clear.at, link="wireless") is None
    assert ear.failures[Reason.CLEAR] == 1


@pytest.mark.parametrize("name", RADIO)
def test_a_new_key_is_used_from_the_next_telegram_on(name):
    meter = radio(name)
    ear = receiver(meter)
    assert ear.try_receive(meter.send().octets, 0, link="wireless") is not None
    meter.speaker.install(NEW_KEY, 0)
    frame = meter.send().octets
    assert ear.try_receive(frame, 1, link="wireless") is None
    assert receiver(meter, key=NEW_KEY).try_receive(frame, 1, link="wireless") is not None


def test_sessions_never_repeat_however_often_a_meter_sends():
    item = speaker("warm-water-radio", key=KEY)
    ear = receiver(RadioMeter(item))
    for number in range(200):
        item.meter.settle(START + 60 * (number // 100))
        assert ear.try_receive(item.radio_frame(), 0, link="wireless", form=Format.B) is not None
    assert not ear.failures


@given(seed=st.integers(0, 2**32), jitter_of=st.sampled_from(RADIO))
@settings(max_examples=30)
def test_telegrams_keep_their_period_but_for_the_jitter(seed, jitter_of):
    meter = radio(jitter_of, seed=seed)
    part = meter.speaker.model.radio
    times = [meter.send().at for _ in range(8)]
    assert START <= times[0] <= START + part.period
    for number, at in enumerate(times):
        assert abs(at - times[0] - number * part.period) <= part.jitter * part.period * (number > 0) + 1e-6
    assert len({round(later - earlier, 3) for earlier, later in pairwise(times)}) > 1


def test_tampering_reverse_flow_and_a_low_battery_are_in_the_next_telegram():
    meter = radio("water-radio")
    ear = receiver(meter)
    water = meter.speaker.meter

    def next_reading():
        sent = meter.send()
        telegram = ear.receive(sent.octets, sent.at, link="wireless")
        return reading(telegram, models(), timestamp=datetime.now(UTC)).values

    for _ in range(40):
        before = next_reading()
    assert before["status"] == "OK"
    water.tamper(Tamper.REVERSE)
    for _ in range(60):
        after = next_reading()
    assert "REVERSE" in after["status"].split()
    assert after["backward_m3"] > 0
    assert after["total_m3"] == before["total_m3"]
    water.tamper(Tamper.REVERSE, False)
    water.drain(100)
    assert {"POWER_LOW", "BATTERY_LOW", "REVERSE"} <= set(next_reading()["status"].split())
    water.acknowledge()
    assert "REVERSE" not in next_reading()["status"].split()


def test_an_empty_battery_is_silence():
    meter = radio("water-radio", battery_days=2)
    found = list(Air([meter], [HERE], CALM).run(START + 5 * DAY))
    assert START + 2 * DAY - 1000 < found[-1].at < START + 2 * DAY
    assert meter.next_at is None
    assert meter.send() is None
    assert not list(Air([meter], [HERE], CALM).run(START + 9 * DAY))


def test_a_receiver_hears_its_modes_and_what_is_strong_enough():
    receivers = [
        AirReceiver("near", ALL, distance=5.0),
        AirReceiver("far", ALL, distance=5000.0),
        AirReceiver("wall", ALL, distance=40.0, distances={"00000001": 4000.0}),
        AirReceiver("old", frozenset(("S1",))),
    ]
    found = list(Air(house(), receivers, CALM).run(START + DAY))
    by_name = {item.name: [heard for heard in found if heard.receiver == item.name] for item in receivers}
    assert not by_name["far"]
    assert {heard.transmission for heard in by_name["near"]} == ALL
    assert {heard.transmission for heard in by_name["old"]} == {"S1"}
    assert {heard.rssi for heard in by_name["near"]} == {-46}
    assert {heard.rssi for heard in by_name["wall"]} == {-73}
    assert len(by_name["wall"]) < len(by_name["near"])


def test_frames_that_overlap_are_lost_but_for_one_that_is_much_stronger():
    def two(**distances):
        meters = [radio("water-radio", seed=3, identification=f"0000000{n}") for n in (1, 2)]
        return Air(meters, [AirReceiver("here", ALL, distances={"00000002": 20.0} | distances)], CALM)

    equal = two()
    assert not list(equal.run(START + DAY))
    assert equal.lost == equal.sent > 100
    capture = two(**{"00000001": 5.0})
    heard = list(capture.run(START + DAY))
    assert len(heard) == capture.sent // 2
    assert {item.rssi for item in heard} == {-46}


@pytest.mark.parametrize(("transmission", "meets"), [("T1", True), ("C1", True), ("S1", False)])
def test_frames_meet_in_their_band(transmission, meets):
    first = models().named("water-radio")
    second = replace(first, radio=replace(first.radio, transmission=transmission))
    meters = [
        RadioMeter(speaker(model, key=KEY, identification=f"0000000{number}"), 3)
        for number, model in enumerate((first, second), start=1)
    ]
    air = Air(meters, [HERE], CALM)
    heard = list(air.run(START + DAY))
    assert air.sent > 100
    assert len(heard) == (0 if meets else air.sent)


def test_what_no_radio_meter_or_receiver_is_is_refused():
    with pytest.raises(ConfigError, match="how it sends"):
        radio("gas-wired")
    with pytest.raises(ConfigError, match="no mode of transmission"):
        AirReceiver("here", frozenset(("X9",)))

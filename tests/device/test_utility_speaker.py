"""What a simulated meter says is what it counted: telegram, decoded with its model, gives its own numbers exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.device.utility.consumption import Flow
from cosem.device.utility.meter import DAY, Medium, Tamper, UtilityMeter, UtilitySettings, Valve
from cosem.device.utility.quantities import Sources, octets_of
from cosem.device.utility.speaker import Speaker
from cosem.errors import ConfigError
from cosem.mbus.model import models, parse_model
from cosem.mbus.readings import Reading, joined, reading, records_of
from cosem.mbus.record import Record, head_at
from cosem.mbus.telegram import State, decode, decode_message
from support.utility_meters import DEFAULT_KEY, KEY, SIMULATED, START, speaker, store

NOW = datetime(2026, 4, 3, tzinfo=UTC)
UNITS = {"kwh": (3600, 1000), "gj": (1, 10**9), "m3": (1, 10**6), "m3h": (1, 10**6), "kw": (1, 1000)}
"""What one of the meter's own units (watt seconds, millilitres, watts) is in the unit of a name: divisors."""


class Steady:
    def __init__(self, amount: int) -> None:
        self.flow = Flow(amount, 6012, 4503)

    def at(self, local, step):
        return self.flow


def spoken(item: Speaker, key: bytes | None) -> Reading:
    """Return what the other side reads of everything that the meter says at once."""
    keys = None if key is None else store(item.address, key)
    if item.model.wired is not None:
        answer = item.wired_telegrams(item.model.wired.applications[0])
        telegrams = [decode_message(bytes((ci,)) + octets, wired=True, keys=keys) for ci, octets in answer]
    else:
        telegrams = [decode(item.radio_frame(), keys=keys)]
    assert all(telegram.state is (State.CLEAR if key is None else State.OPENED) for telegram in telegrams)
    assert all(telegram.address == item.address for telegram in telegrams)
    return reading(telegrams[0], models(), timestamp=NOW, records=joined(records_of(part) for part in telegrams))


def shown(number: int, name: str, digits: int) -> Decimal:
    """Return what a register of the meter shows in the unit of a name, cut to `digits` behind the point."""
    first, second = UNITS[name.rsplit("_", 1)[-1]]
    whole = Fraction(number, first * second) * 10**digits
    return Decimal(int(whole)).scaleb(-digits)


def registers(meter: UtilityMeter) -> dict[str, int | None]:
    """Return the meter's own numbers by the names of the models."""
    electric = meter.settings.medium is Medium.ELECTRICITY
    month = meter.kept["month"][-1] if meter.kept["month"] else None
    hour = meter.kept["hour"][-1] if meter.kept["hour"] else None
    due = meter.kept_due
    heat = meter.settings.medium is Medium.HEAT
    of_month = {
        "target_m3": None if month is None else month.amount,
        "last_month_m3": None if month is None else month.amount,
        "prev_1_month_m3": None if month is None else month.amount,
        "prev_1_month_kwh": None if month is None else month.energy,
        "target_energy_consumption_kwh": None if month is None else month.amount,
        "hour_m3": None if hour is None else hour.amount,
    }
    if heat or meter.settings.medium in (Medium.WATER, Medium.WARM_WATER):
        of_month["target_m3"] = None if due is None else due.amount
        of_month["target_energy_consumption_kwh"] = None if due is None else due.energy
    return of_month | {
        "total_m3": meter.amount,
        "total_energy_consumption_kwh": meter.amount if electric else meter.energy,
        "total_energy_production_kwh": meter.reverse,
        "backward_m3": meter.reverse,
        "volume_flow_m3h": meter.rate,
        "power_kw": meter.power,
        "current_power_consumption_kw": meter.rate,
    }


@pytest.mark.parametrize("model", SIMULATED, ids=lambda model: model.name)
@settings(max_examples=12)
@given(
    deeds=st.lists(
        st.tuples(
            st.integers(1, 3 * DAY),
            st.sampled_from((*Tamper, "close", "release", "push", "acknowledge", "clock", "stuck", "drain")),
            st.booleans(),
        ),
        max_size=8,
    ),
    protected=st.booleans(),
    start_amount=st.integers(0, 10**13),
    flow=st.integers(0, 500_000),
)
def test_a_telegram_gives_the_numbers_of_the_meter(model, deeds, protected, start_amount, flow):
    key = KEY if protected else None
    item = speaker(model, key=key, start_amount=start_amount, consumption=Steady(flow), due=(3, 30))
    meter = item.meter
    for seconds, what, present in deeds:
        meter.settle(meter.now + seconds)
        if isinstance(what, Tamper):
            meter.tamper(what, present)
        elif what == "clock":
            meter.set_clock(meter.now + (3600 if present else -3600))
        elif what == "stuck":
            meter.stuck = present
        elif what == "drain":
            if meter.battery_days is not None:
                meter.drain(100)
        else:
            {
                "close": meter.close_valve,
                "release": meter.release_valve,
                "push": meter.push_button,
                "acknowledge": meter.acknowledge,
            }[what]()
    found = spoken(item, key).json()
    numbers = registers(meter)
    compared = 0
    for name, value in found.items():
        if name not in numbers:
            continue
        compared += 1
        number = numbers[name]
        if number is None:
            assert value is None
            continue
        assert isinstance(value, Decimal)
        head = model.by_name[name].head
        digits = -int(value.as_tuple().exponent)
        wanted = shown(number, name, digits)
        if head.dib.field in (0x0B, 0x0C):  # BCD of six or eight digits rolls over where its digits end
            wanted %= Decimal(10) ** (6 if head.dib.field == 0x0B else 8) * Decimal(10) ** -digits
        elif head.dib.field == 0x04:
            wanted %= Decimal(2**31).scaleb(-digits)
        elif head.dib.field == 0x02:
            wanted %= Decimal(2**15).scaleb(-digits)
        assert value == wanted, name
    assert compared
    if "meter_datetime" in found:
        local = meter.local()
        assert str(found["meter_datetime"]) == local.strftime("%Y-%m-%d %H:%M:%S")[: len(found["meter_datetime"])]
    if "battery_d" in found:
        assert found["battery_d"] == meter.battery_days
    if "valve" in found:
        assert found["valve"] == meter.valve.value
    words = str(found["status"]).split()
    for tamper in Tamper:
        if tamper.value in model.flags and "error_flags" in sent_names(item):
            assert (tamper.value.upper() in words) == (tamper in meter.tampered or tamper in meter.fraud)
    assert ("POWER_LOW" in words) == (model.radio is None or model.radio.ell != 0x8D) * (
        meter.battery_days is not None and meter.battery_days < 180
    )


def sent_names(item: Speaker) -> tuple[str, ...]:
    model = item.model
    return model.wired.applications[0] if model.wired is not None else model.radio.sends if model.radio else ()


def test_what_was_not_kept_yet_is_no_value_and_what_was_has_its_date():
    item = speaker("gas-wired")
    item.meter.settle(START + 3 * DAY)
    found = spoken(item, None).values
    assert (found["target_m3"], found["target_date"]) == (None, None)
    item.meter.settle(START + 5 * DAY)
    found = spoken(item, None).values
    assert found["target_date"] == "2026-04-01"
    assert found["target_m3"] == shown(item.meter.kept["month"][-1].amount, "m3", 3)
    assert found["hour_datetime"] == (datetime(2026, 3, 28) + timedelta(days=5)).strftime("%Y-%m-%d %H:%M")


def test_the_value_of_the_due_date_is_that_of_its_midnight():
    item = speaker("water-wired", due=(3, 30))
    seen = speaker("water-wired")
    seen.meter.settle(START + 2 * DAY)
    item.meter.settle(START + 60 * DAY)
    found = spoken(item, None).values
    assert found["target_m3"] == shown(seen.meter.amount, "m3", 3)
    assert found["target_date"] == "2026-03-30"
    assert found["next_target_date"] == "*-03-30"


def test_numbers_of_protection_never_repeat():
    item = speaker("heat-wired", key=KEY)
    item.meter.settle(START + 60)
    keys = store(item.address, KEY)
    seen = set()
    for _ in range(60):
        for ci, octets in item.wired_telegrams(item.model.wired.applications[0]):
            telegram = decode_message(bytes((ci,)) + octets, wired=True, keys=keys)
            seen.add((telegram.access_number, bytes(telegram.application)))
    assert not keys.failures
    assert len({number for number, _ in seen}) == 120


@pytest.mark.parametrize("model", SIMULATED, ids=lambda model: model.name)
def test_without_a_key_a_meter_speaks_in_clear_and_with_one_nobody_else_reads_it(model):
    item = speaker(model)
    item.meter.settle(START + DAY)
    assert spoken(item, None).meter == model.name
    item.install(KEY, 0)
    assert spoken(item, KEY).meter == model.name
    with pytest.raises(Exception, match="wrong"):
        spoken(item, DEFAULT_KEY)


def test_keys_are_in_no_text_of_a_meter():
    text = repr(speaker("gas-wired", key=KEY))
    assert KEY.hex() not in text
    assert repr(KEY)[2:-1] not in text
    assert repr(DEFAULT_KEY)[2:-1] not in text


MODEL = """
name = "one"
title = "one"
recognised = ["ZZZ-01-03"]
fields = ["{field}"]
[simulated]
medium = "gas"
[wired]
sends = ["{name}"]
"""


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ("total_m3 0C13", "nothing is said of what"),
        ("total_m3 0C13 = colour", "'colour' is nothing"),
        ("total_m3 0C13 = hour 0 amount", "is nothing"),
        ("total_m3 0C13 = hour 49 amount", "is nothing"),
        ("total_m3 0C13 = power", "W does not fit a record in m³"),
        ("total_m3 0C13 = clock", "holds no date"),
        ("total_m3 0C13 = due date", "2 octets are no value of 4"),
    ],
)
def test_a_model_that_no_meter_can_follow_is_refused_when_the_meter_is_made(field, what):
    model = parse_model(MODEL.format(field=field, name=field.split()[0]))
    with pytest.raises(ConfigError, match=what):
        speaker(model)


def test_models_for_decoding_alone_and_unknown_flags_make_no_meter():
    with pytest.raises(ConfigError, match="needs a medium"):
        speaker("itron-cyble", consumption=Steady(0))
    with pytest.raises(ConfigError, match="flag 'rust'"):
        Sources(UtilityMeter(UtilitySettings(Medium.GAS, Steady(0)), START), ("rust",))
    with pytest.raises(ConfigError, match="how it sends"):
        speaker("gas-wired").radio_frame()
    with pytest.raises(ConfigError, match="answers on the wire"):
        speaker("gas-radio").wired_telegrams(("total_m3",))


@pytest.mark.parametrize("octets", ["0C13", "0413", "0D13", "0513", "04FD74", "046D", "066D", "026C", "02FD74"])
def test_what_is_not_there_is_said_as_its_type_says_it(octets):
    head = head_at(bytes.fromhex(octets), 0)
    record = Record(head, octets_of(head, None))
    assert record.invalid or not record.data.strip(b"\0") or record.raw.no_date


def test_a_closed_valve_and_a_held_wheel_show_no_flow():
    item = speaker("gas-wired", consumption=Steady(1000))
    assert item.meter.rate == 12_000
    item.meter.tamper(Tamper.MAGNET)
    assert item.meter.rate == 0
    item.meter.tamper(Tamper.MAGNET, False)
    item.meter.close_valve()
    assert (item.meter.rate, item.meter.valve) == (0, Valve.CLOSED)

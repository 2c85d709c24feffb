"""A neighbourhood is the same for the same settings, answers for whatever is done to it, and lives by one time."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cosem.device.meter import LOAD_PROFILE
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.simulator.neighbourhood.clock import TOLERATED, FollowedClock
from cosem.simulator.neighbourhood.incidents import CUT, EVERY, HEAR, MEND, SILENCE, Chance
from cosem.simulator.neighbourhood.layout import HOUSES, NeighbourhoodSettings, keys_of, laid_out
from cosem.simulator.neighbourhood.neighbourhood import Neighbourhood

END = 1_795_608_000
SMALL = NeighbourhoodSettings(10, 9, 3, 0.3)


def made(chosen=SMALL, **changes):
    return Neighbourhood(chosen, END, **changes)


@pytest.fixture(scope="module")
def neighbours():
    """Whoever takes this one leaves it as lively as it was: what is done to it may stay done."""
    return made(chance=False)


def octets_of(neighbourhood):
    """Return a digest of all that is told and all that is kept."""
    digest = sha256(repr([line.document() for line in neighbourhood.story]).encode())
    for unit in neighbourhood.units.values():
        digest.update(repr(unit.look()).encode())
        for logical in unit.host.device.logical_devices.values() if unit.host is not None else ():
            for obj in logical.objects.values():
                digest.update(repr([obj.store.data(number) for number in sorted(obj.attributes)]).encode())
                read = unit.host.device.readers.get((bytes(obj.obis), 2))
                result = None if read is None else read(None)
                digest.update(repr(result).encode())
    return digest.hexdigest()


# --- the layout -------------------------------------------------------------------------------------------------


@given(
    st.integers(2, 120), st.integers(1, 40), st.integers(0, 400), st.integers(0, 9_999), st.data()
)  # fmt: skip
def test_everybody_has_a_name_a_place_and_somebody_to_hang_on(housed, line, utilities, seed, data):
    assume(utilities <= HOUSES * 64 + 2 * housed)
    layout = laid_out(NeighbourhoodSettings(housed + line, utilities, line, seed=seed))
    names = [home.name for home in layout.homes] + [item.name for item in layout.utilities]
    assert len(layout.homes) == housed + line
    assert len(layout.utilities) == utilities
    assert len(set(names)) == len(names)
    assert sum(home.area == HOUSES for home in layout.homes) == line
    assert len({home.place for home in layout.homes}) == len(layout.homes)
    parents = {home.name: len(home.utilities) for home in layout.homes if home.area < HOUSES}
    parents |= {f"C-{area + 1}": len(kinds) for area, kinds in enumerate(layout.at_concentrators)}
    assert all(count <= 64 for count in parents.values())
    behind = {name: [item.channel for item in layout.utilities if item.parent == name] for name in parents}
    assert {name: sorted(channels) for name, channels in behind.items()} == {
        name: list(range(1, count + 1)) for name, count in parents.items()
    }
    home = data.draw(st.sampled_from(layout.homes))
    keys = keys_of(layout.settings, home.name)
    assert keys != keys_of(layout.settings, "C-1")
    assert keys.global_unicast_encryption_key not in repr(keys).encode()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"meters": 1}, "meters in houses"),
        ({"meters": 10, "power_line": 9}, "meters in houses"),
        ({"power_line": 0}, "power line"),
        ({"meters": 4, "power_line": 2, "utilities": 133}, "room for 132"),
        ({"utilities": -1}, "room for"),
        ({"days": -1}, "0 to 400 days"),
        ({"days": float("nan")}, "0 to 400 days"),
        ({"seed": 10_000}, "seed"),
    ],
)
def test_a_neighbourhood_that_cannot_be_is_refused(wrong, why):
    with pytest.raises(ConfigError, match=why):
        NeighbourhoodSettings(**wrong)


# --- reproducible ------------------------------------------------------------------------------------------------


def test_the_same_settings_make_the_same_neighbourhood_octet_for_octet():
    first, second = made(), made()
    for neighbourhood in (first, second):
        neighbourhood.advance(END + 3 * 3600)
    assert octets_of(first) == octets_of(second)
    assert octets_of(first) != octets_of(made())
    other = made(NeighbourhoodSettings(10, 9, 3, 0.3, seed=2))
    assert {unit.sheet.system_title for unit in first.units.values()} != {
        unit.sheet.system_title for unit in other.units.values()
    }


def test_it_may_have_lived_no_day_at_all():
    newborn = made(NeighbourhoodSettings(3, 0, 1, 0.0))
    assert newborn.now == END
    newborn.advance(END + 1800)
    assert newborn.units["E-001"].look()["import"] > 0


@given(st.integers(0, 500), st.integers(2, 12))
@settings(max_examples=20)
def test_incidents_by_chance_each_end_and_come_in_order(seed, meters):
    layout = laid_out(NeighbourhoodSettings(meters + 2, 4, 2, seed=seed))
    pairs = [pair for pair, _ in zip(Chance(layout, END), range(60), strict=False)]
    again = [pair for pair, _ in zip(Chance(layout, END), range(60), strict=False)]
    assert pairs == again
    begins = [begun.at for begun, _ in pairs]
    assert begins == sorted(begins)
    assert begins[0] > END
    assert (begins[-1] - END) / 60 < 3 * EVERY
    assert all(over.at > begun.at and over.where == begun.where for begun, over in pairs)


def test_incidents_happen_to_those_who_were_changed_by_hand():
    neighbourhood = made(NeighbourhoodSettings(4, 3, 2, 0.1), chance=True)
    for name in ("E-001", "E-003"):
        neighbourhood.act(name, "power cut")
        neighbourhood.act(name, "terminal cover opened")
        neighbourhood.act(name, SILENCE)
    neighbourhood.act("Mill Lane", CUT)
    neighbourhood.advance(END + 12 * 3600)
    assert neighbourhood.now == END + 12 * 3600
    assert len(neighbourhood.story) > 20


# --- what is done ------------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.integers(-5, 300),
    st.booleans(),
    st.none(),
    st.text(max_size=6),
    st.sampled_from(["pressure", "temperature", "high", "2026-11-25T10:00", "0-0:10.0.106.255", "high-gas", "1"]),
    st.lists(st.integers(), max_size=2),
)


def fitting(parameter):
    """Return values that a parameter may take."""
    if parameter.kind is int:
        return st.integers(parameter.least, max(parameter.least, parameter.most))
    if parameter.kind is bool:
        return st.booleans()
    if parameter.kind is datetime:
        return st.datetimes(datetime(2026, 11, 24), datetime(2026, 11, 27)).map(
            lambda at: at.replace(microsecond=0).isoformat()
        )
    texts = ["pressure", "temperature", "metrological", "calibration", "35.5", "0-0:10.0.106.255", "1234", "2"]
    return st.sampled_from(texts)


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_done_to_whomever_is_done_or_refused_in_a_sentence(neighbours, data):
    where = data.draw(st.sampled_from([*neighbours.units, *neighbours.feeders, "nobody"]))
    try:
        words = data.draw(st.sampled_from(neighbours.actions(where)) | st.text(max_size=8))
    except ConfigError:
        words = "silence"
    known = getattr(neighbours.units.get(where), "inputs", {})
    parameters = {} if words not in known else known[words].parameters
    good = st.fixed_dictionaries({}, optional={name: fitting(item) for name, item in parameters.items()})
    values = data.draw(good | st.dictionaries(st.text(max_size=4) | st.sampled_from([*parameters, "x"]), VALUES))
    try:
        assert isinstance(neighbours.act(where, words, values), str)
    except ConfigError as error:
        said = str(error)
    else:
        said = "done"
    assert said
    assert "\n" not in said
    neighbours.advance(neighbours.now + 5)
    if where in neighbours.units:
        neighbours.unit(where).look()


def test_what_cannot_be_done_is_no_part_of_the_story(neighbours):
    before = neighbours.story[-1].number
    with pytest.raises(ConfigError, match="there is: power cut"):
        neighbours.act("E-001", "bribe \ud800")
    with pytest.raises(ConfigError, match="no 'E-999'"):
        neighbours.act("E-999", "power cut")
    with pytest.raises(ConfigError, match="cut, mend"):
        neighbours.act("Maple Road", "magnet")
    assert neighbours.story[-1].number == before


def test_a_cut_feeder_takes_its_meters_away_until_it_is_mended():
    neighbourhood = made(chance=False)
    pushed = []
    neighbourhood.push_to(b"127.0.0.1:9", lambda: pushed.append)
    unit = neighbourhood.units["E-001"]
    site = neighbourhood.sites[unit.site]
    address = unit.meter.settings.serial.encode()
    assert site.machine(1, address) is not None
    said = neighbourhood.act(unit.feeder, CUT)
    neighbourhood.advance(neighbourhood.now + 60)
    on_it = [each for each in neighbourhood.units.values() if each.feeder == unit.feeder]
    assert said == f"{len(on_it)} meters"
    assert not any(each.look()["powered"] for each in on_it)
    assert {each.look()["power"] for each in on_it} == {0}
    assert site.machine(1, address) is None
    told = [line for line in neighbourhood.story if line.unit == unit.name and line.kind == "push"]
    assert told, "the last gasp"
    assert len(pushed) >= len(on_it)
    rows = len(unit.meter.load_profile.rows)
    registers = unit.look()["import"]
    neighbourhood.advance(neighbourhood.now + 2 * 3600)
    assert len(unit.meter.load_profile.rows) == rows
    assert unit.look()["import"] == registers
    neighbourhood.act(unit.feeder, MEND)
    neighbourhood.advance(neighbourhood.now + 1800)
    assert unit.look()["powered"]
    assert len(unit.meter.load_profile.rows) > rows
    assert site.machine(1, address) is not None


def test_a_meter_that_is_limited_opens_its_switch_and_the_button_closes_it():
    neighbourhood = made(chance=False)
    neighbourhood.act("E-001", "limit", {"watts": 1})
    neighbourhood.advance(neighbourhood.now + 3600)
    assert neighbourhood.units["E-001"].look()["switch"] != "connected"
    assert neighbourhood.units["E-001"].look()["power"] == 0
    neighbourhood.act("E-001", "limit", {"watts": 50_000})
    neighbourhood.advance(neighbourhood.now + 120)
    neighbourhood.act("E-001", "button", {"connect": True})
    neighbourhood.advance(neighbourhood.now + 120)
    assert neighbourhood.units["E-001"].look()["switch"] == "connected"
    switched = [line.words for line in neighbourhood.story if line.unit == "E-001" and line.kind == "switch"]
    assert len(switched) >= 2


def test_another_gas_reaches_the_converter():
    neighbourhood = made(chance=False)
    station = neighbourhood.units["S-1"]
    before = station.look()["calorific value"]
    with pytest.raises(ConfigError, match="high, low, hydrogen"):
        neighbourhood.act("S-1", "gas", {"kind": "laughing"})
    neighbourhood.act("S-1", "gas", {"kind": "low"})
    neighbourhood.advance(neighbourhood.now + 9000)
    assert station.look()["calorific value"] < before * 0.97
    neighbourhood.act("S-1", "gas", {"kind": "high"})
    neighbourhood.advance(neighbourhood.now + 9000)
    assert station.look()["calorific value"] == pytest.approx(before, rel=0.02)


def test_a_meter_on_the_power_line_may_lose_its_power_while_it_is_read():
    neighbourhood = made(chance=False)
    line = neighbourhood.line
    unit = next(unit for unit in line.units if unit.feeder == "Mill Lane")
    line.read()
    neighbourhood.advance(neighbourhood.now + 20)
    assert line.reading
    neighbourhood.act(unit.name, "power cut")
    neighbourhood.advance(neighbourhood.now + 3 * 3600)
    assert not line.reading
    assert not line.line.network.medium.is_on(unit.station)
    assert line.unit.look()["found"] == 3
    neighbourhood.act(unit.name, "power return")
    neighbourhood.advance(neighbourhood.now + 3 * 3600)
    assert line.line.network.medium.is_on(unit.station)
    line.read()
    neighbourhood.advance(neighbourhood.now + 3 * 3600)
    assert not line.reading
    assert line.unit.look()["there"] == 3


def test_who_is_silent_lives_on(neighbours):
    neighbours.act("E-002", SILENCE)
    before = neighbours.units["E-002"].look()
    neighbours.advance(neighbours.now + 3600)
    after = neighbours.units["E-002"].look()
    assert before["silent"]
    assert after["silent"]
    neighbours.act("E-002", HEAR)
    assert not neighbours.units["E-002"].look()["silent"]


def test_values_of_the_night_are_kept_by_every_meter(neighbours):
    for unit in neighbours.units.values():
        if unit.sheet.kind == "electricity":
            profile = unit.host.find(Obis.parse(LOAD_PROFILE), 7)
            assert profile is not None
            assert len(unit.meter.load_profile.rows) >= 20


# --- following its time --------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-20, 20), st.sampled_from([1.0, 10.0, 3600.0])), max_size=20))
def test_a_followed_clock_never_goes_back(steps):
    real = [0.0]
    clock = FollowedClock(1000.0, 1.0, lambda: real[0])
    last = clock()
    for passed, said, speed in steps:
        real[0] += passed
        now = clock()
        assert now >= last
        clock.heard({"now": now + said * speed, "speed": speed})
        assert clock() >= now
        last = clock()
        real[0] += 1.0
        ahead = now - (now + said * speed) > TOLERATED * speed
        assert clock() - last == pytest.approx(0.0 if ahead else speed, abs=1e-3)
        last = clock()


def test_a_followed_clock_waits_for_who_is_late_and_goes_on():
    real = [0.0]
    clock = FollowedClock(0.0, 100.0, lambda: real[0])
    real[0] = 10.0
    clock.heard({"now": 200.0, "speed": 100.0})
    real[0] = 12.0
    assert clock() == 1000.0
    clock.heard({"now": 990.0, "speed": 100.0})
    real[0] = 13.0
    assert clock() == 1100.0

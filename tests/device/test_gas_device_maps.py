"""Object maps: every market builds, reads back, and says nothing that the grammar of the codes does not know."""

from __future__ import annotations

from importlib.resources import files

import pytest

from cosem.device.gas.object_map import market_names, object_map, read_map
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.obis_names import explain
from support.gas_devices import START, check, converter, read, rows

DAY = 86_400


@pytest.mark.parametrize("market", market_names())
def test_a_device_of_every_market_lives_and_its_archives_fill(market: str) -> None:
    device = converter(market=market)
    device.advance(START + 3 * DAY)
    check(device)
    for profile in device.map.profiles:
        if profile.device == "converter" and profile.every in ("mp1", "mp2", "bp1"):
            assert rows(device, str(profile.name))
    for item in (*device.map.objects, *device.map.parameters):
        obj = device.host.find(item.name)
        if obj is not None:
            assert obj.class_id == item.class_id
            assert device.host.read(item.class_id, item.name, 2) is not None


@pytest.mark.parametrize("market", market_names())
def test_codes_have_names(market: str) -> None:
    """But for those of the makers' own groups."""
    for item in (*object_map(market).objects, *object_map(market).parameters):
        if max(bytes(item.name)[3:5]) < 128:
            assert explain(str(item.name)).known, item.name


def test_the_same_value_stands_under_the_codes_of_each_market() -> None:
    index = {}
    for market, name, class_id in (
        ("generic", "7-0:13.2.0.255", 3),
        ("italy", "7-0:13.2.0.255", 3),
        ("netherlands", "0-1:24.2.2.255", 4),
        ("netherlands_dsmr4", "0-1:24.2.1.255", 4),
        ("germany", "7-0:13.2.0.255", 3),
    ):
        device = converter(market=market)
        device.advance(START + DAY)
        index[market] = read(device, class_id, name)
    assert index.pop("generic") // 1000 == index["italy"]
    assert len(set(index.values())) == 1


def test_an_italian_day_has_its_four_values() -> None:
    device = converter(market="italy")
    device.advance(START + 2 * DAY)
    (first, second) = rows(device, "7-0:99.99.3.255")
    assert first[0] == START + DAY
    assert second[2] > first[2] > 0
    assert first[1] == first[3] == 0


def test_the_dutch_gas_day_is_that_of_the_calendar() -> None:
    device = converter(market="netherlands")
    device.advance(START + 2 * DAY)
    assert device.periods.lengths["mp1"] == 300
    ends = [row.time - START for row in device.archives.buffers[Obis.parse("0-1:24.3.1.255")].rows]
    assert ends == [18 * 3600, 42 * 3600]


def test_german_energy_is_counted_by_two_calorific_values() -> None:
    from decimal import Decimal

    device = converter(market="germany", billing_calorific=Decimal("11.5"))
    device.advance(START + DAY)
    balance, bill = (sum(row[2] for row in rows(device, f"7-{b}:99.33.17.255")) for b in (10, 20))
    volume = device.converter.counters.base.absolute
    assert device.billing.counter.value == volume * 11_500_000 // 10**6
    assert bill > balance > 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('title = "x"\n[places]\n', "no events"),
        ('title = "x"\nbased_on = "generic"\nobjects = ["3 7-0:1.0.0.255 base"]\n[places]\n', "does not say"),
        ('title = "x"\nbased_on = "generic"\nobjects = ["3 7-0:1.0.0.255 a 0 u9"]\n[places]\n', "does not say"),
        (
            'title = "x"\nbased_on = "generic"\n'
            'objects = ["3 7-0:1.0.0.255 a 0 u8", "1 7-0:1.0.0.255 b 0 u8"]\n[places]\n',
            "twice",
        ),
        ('title = "x"\nbased_on = "generic"\n', "has not what it needs"),
        ('title = "x"\nbased_on = "generic"\n[defaults]\nmp9 = 1\n[places]\n', "mp9"),
        ('title = "x"\nbased_on = "nowhere"\n[places]\n', "no object map"),
        ("title = ", "no TOML"),
        ('title = "x"\nbased_on = "generic"\nstatus = ["0 bad X | x"]\n[places]\n', "no status bit"),
        (
            'title = "x"\nbased_on = "generic"\n[places]\n[[profile]]\nname = "7-0:99.1.0.255"\nevery = "noon"\n'
            'rows = 1\ncolumns = ["8 0-0:1.0.0.255 2"]\n',
            "never",
        ),
    ],
)
def test_a_map_that_does_not_hold_together_is_a_named_error(wrong: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_map("mine", wrong)


def test_a_line_stands_for_as_many_objects_as_its_words_combine_to() -> None:
    text = """
title = "x"
based_on = "generic"
[[objects]]
line = "3 7-0:{kind}.{place+kind}.0.255 {place}.{kind} 0 u8"
for = { kind = { a = 1, b = 2 }, place = { c = 10 } }
[places]
"""
    made = read_map("mine", text)
    assert [(str(item.name), item.what) for item in made.objects] == [
        ("7-0:1.11.0.255", "c.a"),
        ("7-0:2.12.0.255", "c.b"),
    ]


def test_markets_are_the_files() -> None:
    found = {place.name for place in files("cosem.device.gas.markets").iterdir() if place.name.endswith(".toml")}
    assert {f"{name}.toml" for name in market_names()} == found

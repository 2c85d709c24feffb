"""Models as data: every telegram of every model gives its values, meters find their model, mistakes are named."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cosem.errors import ConfigError
from cosem.mbus.manufacturer import manufacturer_octets
from cosem.mbus.model import Model, Models, models, parse_model
from cosem.mbus.readings import reading
from cosem.mbus.telegram import decode, keys_of_one
from cosem.mbus.wireless import Address

EXAMPLE_KEY = bytes(range(16))
EXAMPLES = [(model, example) for model in models() for example in model.examples]
NOW = datetime(2026, 4, 3, tzinfo=UTC)


@pytest.mark.parametrize(("model", "example"), EXAMPLES, ids=lambda item: getattr(item, "name", None))
def test_every_telegram_of_a_model_gives_its_values(model, example):
    keys = keys_of_one(example.frame, EXAMPLE_KEY) if example.protected else None
    found = reading(decode(example.frame, keys=keys), models(), timestamp=NOW)
    assert found.meter == model.name
    given = found.json()
    values = {name: given[name] for name in example.values}
    texts = {name: f"{value:f}" if isinstance(value, Decimal) else value or "" for name, value in values.items()}
    assert texts == example.values


def test_every_model_has_a_telegram():
    assert {model.name for model, _ in EXAMPLES} == {model.name for model in models()}
    assert {"gas", "water", "warm water", "heat", "electricity"} == {
        model.simulated["medium"] for model in models() if model.simulated
    }


def minimal(name: str, *recognised: str) -> Model:
    return parse_model(
        f'name = "{name}"\ntitle = "one"\nrecognised = {list(recognised)}\nfields = ["total_m3 0C13"]'.replace("'", '"')
    )


def test_one_of_ten_thousand_models_is_found_by_manufacturer_version_and_medium():
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    codes = [f"{a}{b}{c}" for a in letters[:10] for b in letters for c in letters][: 10_000 // 4]
    known = Models()
    template = minimal("template", "AAA-00-07")
    for code in codes:
        for version in range(4):
            known.add(Model(f"{code}-{version}", "", ((manufacturer_octets(code), version, 7),), template.fields))
    assert len(known) == 10_000
    for code in codes[::97]:
        for version in range(4):
            found = known.of(Address.of(code, "00000001", version, 7))
            assert found is not None
            assert found.name == f"{code}-{version}"
    assert known.of(Address.of("AAA", "00000001", 4, 7)) is None
    assert known.of(Address.of("AAA", "00000001", 3, 6)) is None
    assert known.of(None) is None


def test_a_model_for_any_version_stands_behind_one_for_a_version():
    known = Models([minimal("any", "KAM-*-16"), minimal("one", "KAM-1B-16")])
    assert known.of(Address.of("KAM", "00000001", 0x1B, 0x16)).name == "one"
    assert known.of(Address.of("KAM", "00000001", 0x1C, 0x16)).name == "any"


@pytest.mark.parametrize("second", [minimal("other", "KAM-1B-16"), minimal("first", "KAM-1C-16")])
def test_two_models_of_one_name_or_one_meter_are_refused_and_nothing_of_the_second_is_known(second):
    known = Models([minimal("first", "KAM-1B-16")])
    with pytest.raises(ConfigError):
        known.add(second)
    assert known.of(Address.of("KAM", "00000001", 0x1B, 0x16)).name == "first"
    assert known.of(Address.of("KAM", "00000001", 0x1C, 0x16)) is None
    with pytest.raises(ConfigError, match="no meter model 'other'"):
        known.named("other")


GOOD = """
name = "good"
title = "A meter"
recognised = ["ZZZ-01-07"]
fields = ["total_m3 0C13/0413 = amount", "error_flags 02FD17 = flags"]
orders = ["clock 046D", "store site 0DFD10"]
[valve]
1 = "open"
[wired]
mode = 5
sends = ["total_m3"]
[wired.applications]
5 = ["error_flags"]
[radio]
transmission = "C1"
frame = "B"
mode = 7
afl = true
sends = ["total_m3"]
"""


def test_a_model_is_read_as_it_stands():
    model = parse_model(GOOD)
    assert [head.octets.hex() for head in model.by_name["total_m3"].heads] == ["0c13", "0413"]
    assert model.wired is not None
    assert model.wired.applications == {0: ("total_m3",), 5: ("error_flags",)}
    assert model.radio is not None
    assert (model.radio.transmission, model.radio.protection.mode) == ("C1", 7)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('name = "good"', "", "name: this is missing"),
        ('name = "good"', "name = 3", "name: 3 is no str"),
        ('title = "A meter"', 'title = "A"\ncolour = "red"', "'colour' is not known"),
        ("ZZZ-01-07", "ZZZ-1-07", "not like KAM"),
        ('["ZZZ-01-07"]', "[]", "nothing is said by which it is recognised"),
        ("total_m3 0C13/0413", "total_kwh 0C13/0413", "has another name"),
        ("total_m3 0C13/0413", "total 0C13/0413", "has another name"),
        ("0C13/0413", "0C", "VIF is missing"),
        ("0C13/0413", "0C1300", "something behind them"),
        ("0C13/0413", "0C13/0C13", "0c13 is there twice"),
        ("0C13/0413", "0c13", "a field is: name"),
        ("clock 046D", "klok 046D", "an order is one of"),
        ("store site", "store", "an order is one of"),
        ('1 = "open"', '1 = "explode"', "none of close, open, release"),
        ('1 = "open"', '256 = "open"', "0 to 255"),
        ('5 = ["error_flags"]', '16 = ["error_flags"]', "no application"),
        ('5 = ["error_flags"]', '5 = ["volume"]', "'volume' is no field"),
        ("mode = 5", "mode = 13", "security mode 13 is not supported"),
        ("mode = 5", "mode = 5\nkey_id = 3", "has no key 3"),
        ('"C1"', '"X1"', "none of S1"),
        ('"C1"', '"T1"', "no frames of format B"),
        ("afl = true", "afl = false", "takes its counter"),
        ("afl = true", 'afl = true\nell = "8F"', "8C or 8D"),
        ("afl = true", 'afl = true\nell = "8D"', "no security mode besides"),
        ("afl = true", "afl = true\njitter = 0.5", "0 to 0.5"),
        ("afl = true", "afl = true\nperiod = 0", "one second at least"),
        ("[radio]", '[[telegrams]]\nframe = "6"\nvalues = { a = "1" }\n[radio]', "no hex"),
        ("[radio]", '[[telegrams]]\nframe = "68"\nvalues = {}\n[radio]', "names and texts"),
        ("[valve]", "[valve", "model:"),
    ],
)
def test_a_mistake_in_a_model_is_named(old, new, what):
    assert old in GOOD
    with pytest.raises(ConfigError, match=what):
        parse_model(GOOD.replace(old, new, 1))

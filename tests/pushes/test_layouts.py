"""Layouts of national pushes: every telegram of every data file gives its values, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.client import DeviceKeys, Listener, Senders
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.errors import ConfigError
from cosem.explain import explain
from cosem.explain.keyring import KeyEntry, Keyring
from cosem.link.hdlc.link import HdlcLink
from cosem.link.wrapper import WrapperLink, build
from cosem.obis import Obis
from cosem.pushes.layout import Layout, PushList, Telegram, layouts, parse_layout
from cosem.pushes.readings import layout_of, readings
from cosem.simulator.meter import DEMO_KEYS

KEYRING = Keyring((KeyEntry("example", DEMO_KEYS),))
TELEGRAMS = [
    pytest.param(layout, telegram, id=f"{layout.key}: {telegram.title}")
    for layout in layouts()
    for telegram in layout.telegrams
]
LISTS = [pytest.param(layout, item, id=f"{layout.key}: {item.title}") for layout in layouts() for item in layout.lists]


def value_of(telegram: Telegram) -> Data:
    frames = explain(telegram.octets, keyring=KEYRING.copy()).frames
    return next(frame.value for frame in reversed(frames) if isinstance(frame.value, Data))


@pytest.mark.parametrize(("layout", "telegram"), TELEGRAMS)
def test_a_telegram_gives_its_values(layout: Layout, telegram: Telegram) -> None:
    assert tuple(str(reading) for reading in readings(value_of(telegram), telegram.country)) == telegram.values
    assert telegram.values


@pytest.mark.parametrize(("layout", "telegram"), TELEGRAMS)
def test_the_listener_gives_the_same(layout: Layout, telegram: Telegram) -> None:
    devices = [DeviceKeys("example", DEMO_KEYS)]
    octets = telegram.octets
    if octets[:1] == b"\x7e":
        listener = Listener(HdlcLink(), Senders(devices), country=telegram.country)
    else:
        listener = Listener(WrapperLink(), Senders(devices), country=telegram.country)
        octets = build(1, 16, octets.removeprefix(b"\xe6\xe7\x00"))
    (push,) = listener.receive(octets, 0.0)
    assert push.problem is None
    assert tuple(str(reading) for reading in push.readings) == telegram.values


@pytest.mark.parametrize(("layout", "item"), LISTS)
def test_every_list_has_a_telegram(layout: Layout, item: PushList) -> None:
    found = [layout_of(value_of(telegram), telegram.country) for telegram in layout.telegrams]
    if item.title == "2, one phase":
        # The one form nobody published; that it is the three-phase list without two phases, list 3 shows.
        assert (layout, item) not in found
        return
    assert (layout, item) in found


@pytest.mark.parametrize(("layout", "telegram"), TELEGRAMS)
def test_countries_choose(layout: Layout, telegram: Telegram) -> None:
    value = value_of(telegram)
    without = layout_of(value, "XX")
    assert without is None
    if layout.lists:
        for country in layout.countries:
            match = layout_of(value, country)
            assert match is not None
            assert country in match[0].countries


def test_what_any_meter_could_send_needs_the_country() -> None:
    value = axdr.structure(axdr.double_long_unsigned(1415))
    assert readings(value) == []
    assert [str(reading) for reading in readings(value, "NO")] == ["1-0:1.7.0.255 = 1415 W"]
    assert readings(value, "SI") == []


def test_names_come_from_the_layout_or_the_code() -> None:
    telegram = next(item for layout in layouts() if layout.key == "kaifa-nordic" for item in layout.telegrams[1:])
    named = {str(reading.obis): reading.to_json() for reading in readings(value_of(telegram))}
    assert named["0-0:96.1.7.255"]["name"] == "meter type"
    assert named["1-0:32.7.0.255"] == {
        "obis": "1-0:32.7.0.255",
        "value": {"double-long-unsigned": 2392},
        "name": "voltage L1, instantaneous",
        "scaler": -1,
        "unit": 35,
        "scaled": "239.2",
        "unit_symbol": "V",
    }


def test_what_says_its_own_unit_keeps_it() -> None:
    power = axdr.octet_string(bytes.fromhex("0101010700ff"))
    value = axdr.structure(
        axdr.visible_string("Kamstrup_V0001"),
        axdr.octet_string(bytes.fromhex("0101600101ff")),
        axdr.visible_string("6841131BN243101040"),
        axdr.octet_string(bytes.fromhex("0101010800ff")),
        axdr.double_long_unsigned(12),
        power,
        axdr.double_long_unsigned(7),
        axdr.structure(axdr.integer(-3), axdr.enum(27)),
    )
    assert [str(reading) for reading in readings(value)][1:] == ["1-1:1.8.0.255 = 120 Wh", "1-1:1.7.0.255 = 0.007 W"]


def test_a_list_with_an_unknown_name_gets_no_units() -> None:
    """A meter that sends more than the layout knows may have another layout: nothing is scaled by guess."""
    items = [axdr.visible_string("Kamstrup_V0001"), axdr.octet_string(bytes.fromhex("0101600101ff"))]
    items += [axdr.visible_string("6841131BN243101040"), axdr.octet_string(bytes.fromhex("0101010800ff"))]
    items += [axdr.double_long_unsigned(12)]
    assert readings(axdr.structure(*items))[1].unit is not None
    items += [axdr.octet_string(bytes.fromhex("0101090800ff")), axdr.double_long_unsigned(3)]
    assert [reading.unit for reading in readings(axdr.structure(*items))] == [None, None, None]


@given(
    st.recursive(
        st.one_of(
            st.integers(0, 2**32 - 1).map(axdr.double_long_unsigned),
            st.integers(0, 2**16 - 1).map(axdr.long_unsigned),
            st.binary(max_size=17).map(axdr.octet_string),
            st.sampled_from([bytes.fromhex("0100010700ff"), bytes.fromhex("0101010800ff")]).map(axdr.octet_string),
            st.sampled_from(["KFM_001", "Kamstrup_V0001", "/X", ""]).map(axdr.visible_string),
        ),
        lambda inner: st.lists(inner, max_size=20).map(lambda items: axdr.structure(*items)),
    ),
    st.sampled_from([None, "NO", "SI"]),
)
def test_any_value_is_named_or_not(value: Data, country: str | None) -> None:
    for reading in readings(value, country):
        assert isinstance(reading.obis, Obis)
        assert reading.to_json()["obis"] == str(reading.obis)
        assert reading.words.isprintable() or reading.text is not None


FILE = """
title = "A meter"
countries = ["XX"]
[[list]]
title = "list"
items = ["double-long-unsigned 1-0:1.7.0 W -1", "octet-string[2] -"]
[[telegram]]
title = "one"
octets = "00"
values = []
"""


def test_a_file_is_read_and_its_mistakes_are_told() -> None:
    layout = parse_layout("mine", FILE)
    power, unknown = layout.lists[0].items
    assert (str(power.obis), power.unit, power.scaler) == ("1-0:1.7.0.255", 27, -1)
    assert (unknown.obis, unknown.length) == (None, 2)
    for wrong in (
        FILE.replace("double-long-unsigned", "number"),
        FILE.replace(" W ", " furlong "),
        FILE.replace('octets = "00"', 'octets = "0"'),
        FILE.replace("1-0:1.7.0", "1-0"),
        FILE.replace("countries", "country"),
        "=",
    ):
        with pytest.raises(ConfigError, match="the layout mine"):
            parse_layout("mine", wrong)

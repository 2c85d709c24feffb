"""What tools at home are told of meters: as Home Assistant wants it, and as DSMR-reader and wmbusmeters have it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError
from cosem.headend.commands import CommandState
from cosem.headend.home import names
from cosem.headend.home.discovery import config_topic
from cosem.headend.home.messages import messages, own
from cosem.headend.home.meters import meters
from cosem.headend.home.quantities import Quantity, quantity
from cosem.headend.home.settings import DsmrStyle, HomeSettings, WmbusmetersStyle, home_settings
from cosem.headend.inventory import Inventory, Kind, State
from cosem.headend.schema import command
from cosem.units import Unit
from support.home_assistant import RULES, problems, rendered
from support.house import HOSTILE, fill, put

NOW = 1_793_500_000
SETTINGS = HomeSettings("localhost", pages="https://meters.example")


@pytest.fixture
def engine(tmp_path):
    made = fill(tmp_path, NOW)
    yield made
    made.dispose()


def told(engine, settings=SETTINGS, now=NOW):
    with engine.connect() as connection:
        found = meters(connection, group=settings.group)
    return {item.topic: item.payload.decode() for item in [*own(settings), *messages(settings, found.values(), now)]}


def document(all_, number):
    return json.loads(all_[config_topic(SETTINGS, number)])


def state(all_, number):
    return json.loads(all_[document(all_, number)["state_topic"]])


# --- Home Assistant ---------------------------------------------------------------------------------------------------


def test_every_discovery_message_is_one_that_home_assistant_takes(engine):
    all_ = told(engine)
    configs = {topic: text for topic, text in all_.items() if topic.endswith("/config")}
    assert set(configs) == {f"homeassistant/device/cosem_{which}/config" for which in ("headend", 1, 2, 3, 4, 5, 6)}
    assert {topic: problems(topic, text) for topic, text in configs.items()} == {topic: [] for topic in configs}


def test_the_rules_of_the_test_find_what_is_wrong(engine):
    topic = config_topic(SETTINGS, 1)
    good = json.loads(told(engine)[topic])
    for change in (
        {"device_class": "energy", "state_class": "measurement"},
        {"device_class": "gas", "unit_of_measurement": "kWh"},
        {"device_class": "warmth"},
        {"state_class": "rising"},
        {"colour": "red"},
        {"unique_id": "cosem_1_1_0_1_8_1"},
    ):
        part = good["components"]["1_0_1_8_0"] | change
        bad = good | {"components": good["components"] | {"1_0_1_8_0": part}}
        assert problems(topic, json.dumps(bad)), change
    assert problems(topic, json.dumps({name: good[name] for name in good if name != "origin"}))
    assert problems("homeassistant/device/a b/config", json.dumps(good))


@pytest.mark.parametrize(
    ("number", "key", "device_class", "state_class", "unit", "digits", "value"),
    [
        (1, "1_0_1_8_0", "energy", "total_increasing", "kWh", 3, 12345.678),
        (1, "1_0_1_8_0_daily", "energy", "total_increasing", "kWh", 2, 12340.0),
        (1, "1_0_1_29_0", "energy", None, "kWh", 3, 0.12),
        (1, "1_0_3_8_0", "reactive_energy", "total_increasing", "kvarh", 3, 4.2),
        (1, "1_0_9_8_0", None, "total_increasing", "kVAh", 3, 9.0),
        (1, "1_0_1_7_0", "power", "measurement", "W", 0, 431),
        (1, "1_0_32_7_0", "voltage", "measurement", "V", 1, 230.4),
        (1, "1_0_13_7_0", "power_factor", "measurement", None, 3, 0.978),
        (1, "0_0_96_7_21", None, "total_increasing", None, 0, 4),
        (1, "0_4_24_2_1", "volume", "total_increasing", "m³", 2, 0.77),
        (2, "0_1_24_2_1", "gas", "total_increasing", "m³", 3, 1234.567),
        (3, "0_2_24_2_1", "water", "total_increasing", "m³", 3, 89.012),
        (4, "0_3_24_2_1", "energy", "total_increasing", "GJ", 3, 51.3),
        (5, "7_0_13_2_0", "gas", "total_increasing", "m³", 2, 4455.66),
        (5, "7_0_41_42_0", "temperature", "measurement", "K", 2, 288.15),
        (5, "7_0_42_42_0", "pressure", "measurement", "bar", 3, 1.013),
        (5, "7_0_52_0_0", None, "measurement", None, 5, 0.98765),
    ],
)
def test_each_value_has_the_class_and_unit_of_its_quantity(
    engine, number, key, device_class, state_class, unit, digits, value
):
    all_ = told(engine)
    found = document(all_, number)
    part = found["components"][key]
    shown = [part.get(name) for name in ("device_class", "state_class", "unit_of_measurement")]
    assert (*shown, part["suggested_display_precision"]) == (device_class, state_class, unit, digits)
    assert rendered(found, all_[found["state_topic"]])[key] == str(value)


def test_a_device_says_what_it_is_and_what_it_comes_through(engine):
    all_ = told(engine)
    assert document(all_, 1)["device"] == {
        "identifiers": ["cosem_1"],
        "name": "meter 1",
        "manufacturer": "Example Meters",
        "model": "e570",
        "serial_number": "EX-4711",
        "hw_version": "B",
        "via_device": "cosem_headend",
        "configuration_url": "https://meters.example/device/1",
    }
    for child in (2, 3, 4):
        assert document(all_, child)["device"]["via_device"] == "cosem_1"
    assert document(all_, 5)["device"]["serial_number"] == "43534D0100000007"
    assert document(all_, None)["device"]["identifiers"] == ["cosem_headend"]
    order = [topic for topic in all_ if topic.endswith("/config")]
    assert order.index(config_topic(SETTINGS, 1)) < order.index(config_topic(SETTINGS, 2))


def test_names_of_entities_are_words_and_tell_apart(engine):
    all_ = told(engine)
    for number in range(1, 7):
        parts = document(all_, number)["components"].values()
        shown = [part["name"] for part in parts]
        assert len(set(shown)) == len(shown)
        assert all(name and name.isprintable() for name in shown)
    names_ = {key: part["name"] for key, part in document(all_, 1)["components"].items()}
    assert names_["1_0_1_8_0"] == "Active energy import"
    assert names_["1_0_1_8_1"] == "Active energy import, rate 1"
    assert names_["1_0_1_8_0_daily"] == "Active energy import (daily)"
    assert document(all_, 2)["components"]["0_1_24_2_1"]["name"] == "Volume"
    assert document(all_, 1)["components"]["1_0_1_8_0_daily"]["enabled_by_default"] is False
    (other,) = [key for key in names_ if key.startswith("1_0_2_8_0_channel")]
    assert names_[other] == "Active energy export"


def test_a_device_is_there_as_long_as_its_last_value_is_fresh(engine):
    def there(now):
        all_ = told(engine, now=now)
        wheres = {number: document(all_, number)["availability"] for number in (1, 2, 6)}
        assert all(where[0]["topic"] == "cosem/status" for where in wheres.values())
        assert document(all_, 1)["availability_mode"] == "all"
        return {number: all_[where[1]["topic"]] for number, where in wheres.items()}

    assert there(NOW) == {1: "online", 2: "online", 6: "offline"}
    assert there(NOW - 3600 + SETTINGS.fresh)[1] == "online"
    assert there(NOW - 3600 + SETTINGS.fresh + 1)[1] == "offline"
    with engine.begin() as connection:
        Inventory(connection).move("gas", State.SUSPENDED, NOW)
    assert there(NOW)[2] == "offline"
    # That there is an alarm is known of a meter whose values are old, too.
    assert [item["topic"] for item in document(told(engine), 1)["components"]["alarm"]["availability"]] == [
        "cosem/status"
    ]


def test_alarms_supply_and_the_last_reading_are_states(engine):
    all_ = told(engine)
    shown = rendered(document(all_, 1), all_["cosem/device/meter_1.1/state"])
    assert {key: shown[key] for key in ("alarm", "tamper", "open_alarms", "supply", "clock_offset", "last_event")} == {
        "alarm": "ON", "tamper": "ON", "open_alarms": "1", "supply": "ON", "clock_offset": "-3",
        "last_event": "meter cover removed",
    }  # fmt: skip
    assert document(all_, 1)["components"]["supply"]["device_class"] == "power"
    assert document(all_, 2)["components"]["supply"]["device_class"] == "opening"
    assert state(all_, 2)["supply"] == "OFF"
    assert "supply" not in document(all_, 3)["components"], "nobody said whether it is on"
    assert state(all_, 5)["alarm"] == "OFF"
    assert shown["last_reading"] == "2026-11-01T01:26:40Z"
    assert shown["outcome"] == "None", "it was not read by a plan yet"


@pytest.mark.parametrize(
    ("kind", "parameters", "answer", "device", "expected"),
    [
        ("disconnect", {}, {"control_state": "disconnected", "output": False}, 1, "OFF"),
        ("reconnect", {}, {"control_state": "ready_for_reconnection", "output": False}, 1, "OFF"),
        ("disconnect", {}, None, 1, "OFF"),
        ("open valve", {"channel": 1}, {"control_state": "connected"}, 2, "ON"),
        ("disconnect", {"object": "0-1:24.4.0.255"}, None, 2, "OFF"),
        ("close valve", {"channel": 3}, None, 4, "OFF"),
    ],
)
def test_what_a_command_did_to_the_supply_counts_until_something_newer(
    engine, kind, parameters, answer, device, expected
):
    with engine.begin() as connection:
        row = {"id": "x.0", "bundle": "x", "position": 0, "device": 1, "kind": kind, "state": CommandState.DONE}
        row |= {"parameters": json.dumps(parameters), "answer": json.dumps(answer), "requested_by": "anna"}
        connection.execute(command.insert(), {**row, "requested": NOW - 9, "not_after": NOW, "finished": NOW - 5})
    assert state(told(engine), device)["supply"] == expected


def test_only_the_devices_of_a_group_are_told_of_where_one_is_named(engine):
    all_ = told(engine, replace(SETTINGS, group="flat"))
    assert [topic for topic in all_ if topic.endswith("config")] == [
        "homeassistant/device/cosem_headend/config", "homeassistant/device/cosem_2/config",
    ]  # fmt: skip
    assert document(all_, 2)["device"]["via_device"] == "cosem_headend"
    assert "0_1_24_2_1" in document(all_, 2)["components"], "what the meter read of it belongs to it all the same"


def test_values_of_a_channel_nobody_has_stay_with_the_meter(engine):
    with engine.begin() as connection:
        Inventory(connection).move("gas", State.REMOVED, NOW)
    assert document(told(engine), 1)["components"]["0_1_24_2_1"]["name"].endswith("volume")


def test_some_devices_are_looked_at_as_all_are(engine):
    with engine.connect() as connection:
        everything = meters(connection)
        for number in everything:
            some = meters(connection, numbers={number})
            assert number in some
            assert all(some[each] == everything[each] for each in some)


@pytest.mark.parametrize("kind", [Kind.ELECTRICITY, Kind.GAS, Kind.WATER, Kind.HEAT, Kind.CONVERTER])
def test_whatever_the_unit_class_and_state_go_together(kind):
    units = [unit.symbol for unit in Unit if unit.known]
    codes = ("1-0:1.8.0.255", "1-0:1.7.0.255", "7-0:13.2.0.255", "1-0:1.8.0.101", "anything")
    for unit, name, cumulative in itertools.product(units, codes, (True, False)):
        shown = quantity(name, unit, -2, cumulative=cumulative, kind=kind)
        if shown.device_class is not None:
            rules = RULES["sensor"]["number"][shown.device_class]
            assert (shown.unit or "") in rules["units"]
            assert shown.state_class in (None, *rules["state_classes"])


@given(st.integers(-(2**63), 2**63), st.integers(-9, 9))
def test_a_value_is_exact_or_its_digits(number, exponent):
    shown = Quantity(None, None, None, exponent).value(number)
    assert Decimal(str(shown)) == Decimal(number).scaleb(exponent)
    if abs(number) < 10**15:
        assert not isinstance(shown, str), "what a number can say is a number"


# --- names that try to escape -----------------------------------------------------------------------------------------


def test_a_hostile_name_is_told_but_leads_nowhere_else(engine):
    all_ = told(engine)
    found = document(all_, 3)
    assert found["device"]["name"] == HOSTILE
    assert found["state_topic"] == "cosem/device/a_.3/state"
    assert not [topic for topic in all_ if set(topic) & set("+#\0 {'")]
    # A device called as a topic of ours is another one all the same.
    assert all_["cosem/device/status/availability"] == "offline"
    assert "cosem/status" not in all_


@given(st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=30, unique=True))
def test_no_two_devices_share_a_level_and_none_is_more_than_one(given_names):
    levels = [names.slug(name, number) for number, name in enumerate(given_names)]
    assert len(set(levels)) == len(levels)
    assert all(1 <= len(level) <= 100 and not set(level) & set("/+#\0$~ ") for level in levels)


@given(st.text(max_size=60) | st.from_regex(r"\d-\d:\d+\.\d+\.\d+(\.\d+)?( daily)?", fullmatch=True), st.integers(1, 9))
def test_no_channel_ends_the_text_of_a_template(channel, number):
    key = names.key(channel, number)
    assert not set(key) & set("'\"\\{}\n%")
    assert names.component(key)
    assert isinstance(names.words(channel), str)


# --- other styles -----------------------------------------------------------------------------------------------------


def plain(all_, prefix):
    return {topic.removeprefix(prefix): text for topic, text in all_.items() if topic.startswith(prefix)}


def test_the_meter_that_is_named_has_dsmr_readers_own_topics(engine):
    settings = replace(SETTINGS, discovery=None, dsmr=DsmrStyle(meter="meter 1"))
    all_ = told(engine, settings)
    at = "2026-11-01T01:26:40Z"
    assert plain(all_, "dsmr/") == {
        "reading/id": str(NOW - 3600),
        "reading/timestamp": at,
        "reading/electricity_delivered_1": "7000.001",
        "reading/electricity_delivered_2": "5345.677",
        "reading/electricity_returned_1": "0.250",
        "reading/electricity_currently_delivered": "0.431",
        "reading/phase_voltage_l1": "230.4",
        "reading/phase_power_current_l1": "2",
        "reading/extra_device_timestamp": at,
        "reading/extra_device_delivered": "1234.567",
        "consumption/gas/read_at": at,
        "consumption/gas/delivered": "1234.567",
        "meter-stats/power_failure_count": "4",
        # The other meter has one tariff: DSMR-reader has it as the first.
        "status/reading/id": str(NOW - 864_000),
        "status/reading/timestamp": "2026-10-22T02:26:40Z",
        "status/reading/electricity_delivered_1": "0.001",
    }
    assert not [topic for topic in all_ if topic.startswith("homeassistant")]
    everybody = plain(told(engine, replace(settings, dsmr=DsmrStyle())), "dsmr/")
    assert "meter_1.1/reading/electricity_delivered_1" in everybody
    assert not [topic for topic in everybody if topic.startswith("reading/")]
    with engine.begin() as connection:
        Inventory(connection).move("status", State.REMOVED, NOW)
    assert "reading/electricity_delivered_1" in plain(told(engine, replace(settings, dsmr=DsmrStyle())), "dsmr/")


def test_what_is_on_the_m_bus_is_told_as_wmbusmeters_does(engine):
    settings = replace(SETTINGS, wmbusmeters=WmbusmetersStyle())
    found = {topic: json.loads(text) for topic, text in plain(told(engine, settings), "wmbusmeters/").items()}
    assert set(found) == {"gas", "a_.3", "heat_1", "evc-1"}
    assert list(found["gas"].items()) == [
        ("_", "telegram"),
        ("media", "gas"),
        ("meter", "volumeter"),
        ("name", "gas"),
        ("id", "G0001"),
        ("total_m3", 1234.567),
        ("timestamp", "2026-11-01T01:26:40Z"),
    ]
    assert found["heat_1"]["total_energy_consumption_gj"] == 51.3
    assert found["a_.3"]["total_m3"] == 89.012
    assert found["evc-1"]["volume_flow_m3h"] == 2.5
    by_id = told(engine, replace(settings, wmbusmeters=WmbusmetersStyle(by="id")))
    assert "wmbusmeters/G0001" in by_id
    with engine.connect() as connection:
        kept = [item for item in messages(settings, meters(connection).values(), NOW) if not item.retain]
    assert {item.topic.partition("/")[0] for item in kept} == {"wmbusmeters"}


def test_two_volumes_of_a_meter_are_two_fields(engine):
    with engine.begin() as connection:
        put(connection, 1, {"0-2:24.2.2.255": ("m³", 0, 5)}, NOW)
    settings = replace(SETTINGS, wmbusmeters=WmbusmetersStyle())
    found = json.loads(told(engine, settings)["wmbusmeters/a_.3"])
    assert (found["total_m3"], found["total_2_m3"]) == (89.012, 5)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, "host is the broker's name"),
        ({"host": "a b"}, "host is the broker's name"),
        ({"host": "x", "port": 0}, "port is 1 to 65535"),
        ({"host": "x", "port": True}, "port has the wrong type"),
        ({"host": "x", "colour": 1}, "no setting; there are: host, port"),
        ({"host": "x", "user": "u", "password": "s3cret"}, "does not stand here but in COSEM_MQTT_PASSWORD"),
        ({"host": "x", "password_file": "f"}, "for a user"),
        ({"host": "x", "tls": False, "ca_file": "f"}, "ca_file is for tls"),
        ({"host": "x", "topic": "a/#"}, "topic is 1 to 100 characters"),
        ({"host": "x", "topic": "/a"}, "topic is 1 to 100 characters"),
        ({"host": "x", "discovery": "$SYS"}, "discovery is 1 to 100 characters"),
        ({"host": "x", "id": "a/b"}, "id is 1 to 32"),
        ({"host": "x", "fresh": 0}, "fresh is 1 to"),
        ({"host": "x", "pages": "javascript:alert(1)"}, "address of the pages"),
        ({"host": "x", "dsmr": True}, "dsmr has the wrong type"),
        ({"host": "x", "dsmr": {"meters": "m"}}, "mqtt.dsmr: 'meters' is no setting"),
        ({"host": "x", "dsmr": {"meter": 1}}, "mqtt.dsmr: meter is a text"),
        ({"host": "x", "wmbusmeters": {"by": "serial"}}, "by is name or id"),
        ({"host": "x", "wmbusmeters": {"topic": "+"}}, "wmbusmeters.topic is 1 to 100"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path, content, why):
    with pytest.raises(ConfigError, match=why) as refused:
        home_settings(content, tmp_path)
    assert "s3cret" not in str(refused.value)


def test_a_password_comes_from_the_environment_or_a_file_and_from_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.delenv("COSEM_MQTT_PASSWORD", raising=False)
    settings = home_settings({"host": "x", "user": "u", "password_file": "secret"}, tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        settings.password()
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(ConfigError, match="no password in"):
        settings.password()
    (tmp_path / "secret").write_text("s3cret\n")
    assert settings.password() == "s3cret"
    monkeypatch.setenv("COSEM_MQTT_PASSWORD", "other")
    assert settings.password() == "other"
    assert home_settings({"host": "x"}, tmp_path).password() is None
    assert "s3cret" not in repr(settings)
    monkeypatch.delenv("COSEM_MQTT_PASSWORD")
    with pytest.raises(ConfigError, match="the user has a password"):
        home_settings({"host": "x", "user": "u"}, tmp_path).password()


def test_tls_has_its_port_and_is_on_where_a_ca_is_named(tmp_path):
    settings = home_settings({"host": "x", "user": "u", "ca_file": "ca.pem"}, tmp_path)
    assert (settings.port, settings.tls, settings.open_wire) == (8883, True, False)
    with pytest.raises(ConfigError, match="no certificates"):
        settings.context()
    assert home_settings({"host": "x", "user": "u"}, tmp_path).open_wire
    assert not home_settings({"host": "localhost", "user": "u"}, tmp_path).open_wire
    assert home_settings({"host": "x", "home_assistant": False}, tmp_path).discovery is None

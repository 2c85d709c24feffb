"""The verbs about events, alarms and pushes against a meter that is served, sync, async and on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cosem.classes.c040_push_setup import PushSetup, TransportService
from cosem.classes.common import CaptureObject
from cosem.cli.app import run
from cosem.client.events import push_destination
from cosem.errors import AccessError, ConfigError
from cosem.obis import Obis
from support.equipped import codes
from support.served import KEY_FILE, Served, make_meter, served

FRAUD = 1 << 13


@pytest.fixture(params=["ln", "sn"])
def world(request: pytest.FixtureRequest) -> Iterator[Served]:
    meter = make_meter(days=1, push_version=0 if request.param == "sn" else 2, referencing=request.param)
    tampering = meter.equipment.tampering
    meter.advance(meter.now + 60)
    tampering.terminal_cover(True)
    meter.advance(meter.now + 60)
    meter.clock.jump_to(meter.clock.now + 3600)
    tampering.terminal_cover(False)
    with served(meter) as running:
        yield running


def test_events_are_read_in_order_of_time_and_told_in_words(world: Served) -> None:
    with world.connect() as meter:
        events = meter.read_events()
        assert [(event.group, event.code) for event in events] == [
            ("fraud", 40),
            ("standard", 4),
            ("standard", 5),
            ("fraud", 41),
        ]
        assert events[0].words == "terminal cover removed"
        assert events[0].time.to_datetime() == datetime(2026, 11, 1, 0, 1, tzinfo=UTC)
        assert [event.code for event in meter.read_events(groups=["fraud"])] == [40, 41]
        since = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)
        assert [event.code for event in meter.read_events(since, groups=["fraud"])] == [41]
        with pytest.raises(ConfigError, match="has no group 'sports'; it has standard, fraud"):
            meter.read_events(groups=["sports"])


def test_logs_that_a_meter_does_not_have_are_left_out(world: Served) -> None:
    with world.connect() as meter:
        # The Dutch profile has a log for distortion, this meter has none.
        assert {event.group for event in meter.read_events(companion="dsmr")} == {"fraud", "standard"}
        assert len(meter.alarms(companion="dsmr")) == 2


def test_alarms_are_shown_and_cleared(world: Served) -> None:
    with world.connect() as meter:
        first, second = meter.alarms()
        assert (first.value, first.descriptor, second.value) == (0, FRAUD, 0)
        assert first.descriptor_words == ("fraud attempt",)
        assert meter.clear_alarms()[0].descriptor == FRAUD
        assert [(state.value, state.descriptor) for state in meter.alarms()] == [(0, 0), (0, 0)]


def test_an_alarm_that_comes_while_others_are_cleared_is_kept(world: Served) -> None:
    with world.connect() as meter:
        set_data, tampering = meter.core.set_data, world.meter.equipment.tampering

        def meanwhile(*arguments: Any) -> Any:
            tampering.neutral(True)
            return set_data(*arguments)

        meter.core.set_data = meanwhile  # type: ignore[method-assign]
        meter.clear_alarms()
        assert meter.alarms()[1].descriptor == 1 << 8


async def test_asynchronous_verbs(world: Served) -> None:
    async with await world.connect_async() as meter:
        assert len(await meter.read_events()) == 4
        assert (await meter.alarms())[0].descriptor == FRAUD
        await meter.clear_alarms()
        assert (await meter.alarms())[0].descriptor == 0
        assert (await meter.configure_push("192.0.2.1:4059")).url == "tcp://192.0.2.1:4059"
        assert (await meter.push_setup()).destination == b"192.0.2.1:4059"
    assert world.meter.equipment.pushes.setups["alarm"].configured


def test_a_push_is_configured_in_the_form_of_its_version(world: Served) -> None:
    chosen = [CaptureObject(8, Obis.parse("0-0:1.0.0"), 2)]
    with world.connect() as meter:
        found = meter.configure_push("udp://192.0.2.1:4061", objects=chosen, randomisation=5, retries=2, delay=7)
        assert found == meter.push_setup()
        assert (found.url, found.objects) == ("udp://192.0.2.1:4061", (CaptureObject(8, Obis.parse("0-0:1.0.0"), 2),))
        assert (found.randomisation, found.retries, found.delay) == (5, 2, 7)
        setup = world.meter.equipment.pushes.setups["alarm"].object
        assert tuple(setup.send_destination_and_method) == (TransportService.UDP, b"192.0.2.1:4061", 0)
        assert [tuple(item)[:3] for item in setup.push_object_list] == [(8, Obis.parse("0-0:1.0.0"), 2)]
        assert (setup.randomisation_start_interval, setup.number_of_retries) == (5, 2)
        assert setup.repetition_delay == ((7, 100, 7) if isinstance(setup, PushSetup) else 7)
        with pytest.raises(ConfigError, match="no push setup but of class 3"):
            meter.configure_push("192.0.2.1:4059", "1-0:1.8.0")
        with pytest.raises(AccessError):
            meter.configure_push("192.0.2.1:4059", objects=[chosen[0]._replace(data_index=0x9001)])


@pytest.mark.parametrize("text", ["", "host:x", "http://host:1", "optical:///dev/ttyUSB0"])
def test_a_destination_that_no_push_has_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        push_destination(text)


@pytest.mark.parametrize(
    ("text", "service"),
    [("h:1", 0), ("tcp://h:1", 0), ("udp://h:1", 1), ("hdlc+tcp://h:1", 5), ("mbus+tcp://h:1", 6)],
)
def test_destinations(text: str, service: int) -> None:
    assert push_destination(text) == (service, b"h:1")
    assert push_destination("tcp://[::1]:5") == (0, b"[::1]:5")


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def cosem(world: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    keys = tmp_path / "keys.toml"
    keys.write_text(KEY_FILE)
    monkeypatch.setenv("COSEM_COUNTERS", str(tmp_path / "counters.json"))

    def command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            run([arguments[0], world.url(counter="0-0:43.1.0.255", **MANAGEMENT), *arguments[1:], "--keys", str(keys)])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return command


MANAGEMENT = {"client": "1", "auth": "high-gmac", "security": "both"}


def test_events_on_the_command_line(cosem: Any) -> None:
    status, out, _ = cosem("events", "--group", "fraud")
    assert status == 0
    assert "terminal cover removed" in out
    status, out, _ = cosem("events", "--json", "--from", "2026-11-01T00:30:00Z")
    assert [row["code"] for row in json.loads(out)] == [5, 41]
    assert cosem("events", "--companion", "xyz")[0] == 2


def test_alarms_on_the_command_line(cosem: Any) -> None:
    assert "fraud attempt" in cosem("alarms")[1]
    assert json.loads(cosem("alarms", "--clear", "--json")[1])[0]["descriptor"] == FRAUD
    assert "fraud attempt" not in cosem("alarms")[1]


def test_push_on_the_command_line(cosem: Any, world: Served) -> None:
    object_ = "3:1-0:1.8.0:2"
    assert cosem("push", "--to", "127.0.0.1:9", "--object", object_, "--retries", "0", "--now")[0] == 0
    setup = world.meter.equipment.pushes.setups["alarm"]
    assert setup.object.push_object_list[0].class_id == 3
    assert codes(world.meter, "fraud") == [40, 41]
    status, _, err = cosem("push", "--to", "127.0.0.1:9", "--object", "1.8.0")
    assert (status, "CLASS:OBIS:ATTRIBUTE" in err) == (2, True)


def test_a_push_setup_is_shown_on_the_command_line(cosem: Any) -> None:
    assert "sends to\tnowhere" in cosem("push", "--setup", "0-0:25.9.0")[1]
    status, out, _ = cosem("push", "--to", "udp://127.0.0.1:9", "--delay", "30", "--json")
    assert (status, json.loads(out)["to"]) == (0, "udp://127.0.0.1:9")
    shown = cosem("push")[1]
    assert "sends to\tudp://127.0.0.1:9" in shown
    assert "delay between attempts\t30 s" in shown
    status, _, err = cosem("push", "--retries", "2")
    assert (status, "go with --to" in err) == (2, True)


def test_a_client_that_sees_no_log_and_no_alarm_is_told_so(world: Served, capsys: pytest.CaptureFixture[str]) -> None:
    for verb, what in (("events", "no event log"), ("alarms", "no alarm register")):
        with pytest.raises(SystemExit) as ended:
            run([verb, world.url(client="16")])
        assert (ended.value.code, what in capsys.readouterr().err) == (1, True)


def test_nothing_lies_between_a_time_and_one_before_it(cosem: Any) -> None:
    status, _, err = cosem("events", "--from", "2026-11-02", "--to", "2026-11-01")
    assert (status, "--from is later than --to" in err) == (2, True)

"""Scenarios: what a file may say, what its inputs do to a meter, and that a story is the same every time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.cli.app import run
from cosem.errors import ConfigError
from cosem.simulator.inputs import INPUTS
from cosem.simulator.scenario import load, parse
from cosem.simulator.story import Story
from support.meters import utc

A_DAY = Path(__file__).parents[2] / "examples" / "scenarios" / "a_day.toml"
HEAD = "start = 2026-06-01T12:00:00\ndays = 0.25\n"
NEEDED = {
    "token": 'digits = "1234"',
    "top up": "amount = 1000\nnumber = 1",
    "phase missing": "phase = 1",
    "phase return": "phase = 1",
    "bypass": "phase = 2",
    "bypass gone": "phase = 2",
    "voltage": "phase = 3\ndecivolts = 2600",
    "limit": "watts = 100",
    "script": 'table = "0-0:10.0.106.255"\nscript = 1',
    "clock": "to = 2026-06-01T13:00:00",
    "clock shift": "seconds = -60",
    "call": 'number = "+431"',
    "mbus tampered": 'channel = 1\nhow = "magnet"',
    "mbus right": 'channel = 1\nhow = "magnet"',
    **{
        f"mbus {what}": "channel = 1"
        for what in ("battery low", "silent", "answers", "valve stuck", "valve freed", "button")
    },
}


def happens(do: str, when: str = 'in = "1h"', extra: str = "") -> str:
    return f'[[happens]]\n{when}\ndo = "{do}"\n{extra}\n'


def told(text: str, *kinds: str) -> list[tuple[str, str]]:
    """The story after the head: minutes and seconds of local time, what."""
    lines = Story(parse(HEAD + text), days=0).run()
    return [(line.local[11:19], line.what) for line in lines if line.kind in (kinds or ("done",))]


def octets(story: Story) -> list[bytes]:
    """Everything a client could read of it, and everything that was pushed."""
    meter = story.meter
    equipment = meter.equipment
    buffers = [meter.load_profile, meter.daily_profile, equipment.billing.profile, equipment.power.log]
    buffers += [log.buffer for log in equipment.events.logs.values()]
    rows = [row.octets for buffer in buffers for row in buffer.rows]
    return rows + [delivery.octets for _, delivery in story.pushed]


# --- the simulated day ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def a_day() -> Story:
    story = Story(load(A_DAY))
    story.run()
    return story


def test_the_same_seed_gives_the_same_octets(a_day: Story) -> None:
    again = Story(load(A_DAY))
    again.run()
    assert again.lines == a_day.lines
    assert octets(again) == octets(a_day)
    assert [at for at, _ in again.pushed] == [at for at, _ in a_day.pushed]


def test_another_seed_gives_another_meter(a_day: Story) -> None:
    other = Story(load(A_DAY), seed=2)
    other.run()
    assert octets(other) != octets(a_day)


def test_the_story_of_a_day_has_all_that_the_file_promises(a_day: Story) -> None:
    lines = {(line.local, line.kind, line.what) for line in a_day.lines}
    assert {
        ("2026-03-28T16:12:30+01:00", "done", "power cut"),
        ("2026-03-28T16:37:40+01:00", "event", "2 in the standard log 0-0:99.98.0.255: power up"),
        ("2026-03-29T03:00:00+02:00", "object", "daylight saving time: no -> yes"),
        ("2026-03-29T09:30:00+02:00", "alarm", "0-0:97.98.0.255 set: fraud attempt"),
        ("2026-03-29T09:32:30+02:00", "happened", "strong magnetic field detected"),
        ("2026-03-30T18:31:00+02:00", "object", "contact of 0-0:96.3.10.255: closed -> open"),
        ("2026-03-30T19:05:00+02:00", "happened", "manual connection"),
        ("2026-03-30T19:05:00+02:00", "object", "contact of 0-0:96.3.10.255: open -> closed"),
        ("2026-04-01T00:00:00+02:00", "object", "billing profile 0-0:98.1.0.255: 0 entries -> 1 entry"),
    } <= lines
    pushes = [line.local for line in a_day.lines if line.kind == "push"]
    assert pushes == ["2026-03-28T16:37:40+01:00"] * 2 + ["2026-03-29T09:30:00+02:00"]


def test_the_hour_that_is_skipped_has_no_rows(a_day: Story) -> None:
    change = utc(2026, 3, 29, 1)
    times = [row.time for row in a_day.meter.load_profile.rows if abs(row.time - change) <= 1800]
    assert times == [change + 900 * step for step in range(-2, 3)]


# --- times ------------------------------------------------------------------------------------------------------------


def test_times_are_absolute_from_the_start_or_after_the_entry_before() -> None:
    text = (
        happens("magnet", 'after = "30s"')
        + happens("magnet gone", 'after = "1h 2m"')
        + happens("button", 'in = "2h"')
        + happens("button", "at = 2026-06-01T13:15:00")
        + happens("button", "at = 2026-06-01T13:30:00+03:00")
    )
    assert [at for at, _ in told(text)] == ["12:00:30", "12:30:00", "13:02:30", "13:15:00", "14:00:00"]


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    scenario = parse("start = 2026-10-25T00:00:00\ndays = 1\n" + happens("button", "at = 2026-10-25T02:30:00"))
    assert scenario.entries[0].at == utc(2026, 10, 25, 0, 30)


# --- inputs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", sorted(INPUTS))
@pytest.mark.parametrize("powered", [True, False])
def test_every_input_can_come_at_any_time(do: str, powered: bool) -> None:
    before = "" if powered else happens("power cut", 'in = "30m"')
    assert told(before + happens(do, extra=NEEDED.get(do, "")))[-1][1].startswith(do)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (happens("wrong password", extra="times = 3"), "association authentication failure (n times)"),
        (happens("wrong password", extra="times = 3\nclient = 1"), "decryption or authentication failure (n times)"),
        (happens("wrong key", extra="times = 3"), "decryption or authentication failure (n times)"),
        (happens("replay"), "replay attack"),
        (happens("clock", extra="to = 2026-06-01T12:00:00"), "clock set back"),
        (happens("script", extra=NEEDED["script"]), "remote disconnection"),
        (happens("disconnect"), "remote disconnection"),
        (happens("neutral missing"), "missing neutral"),
        (happens("bypass", extra="phase = 2"), "current without voltage, or past the meter (phase 2)"),
        (happens("voltage", extra=NEEDED["voltage"]), "overvoltage (swell) L3"),
        (happens("battery empty"), "battery must be replaced"),
        (happens("contact stuck") + happens("disconnect", 'after = "1m"'), "disconnect or reconnect failure"),
    ],
)
def test_inputs_do_what_their_words_say(text: str, cause: str) -> None:
    assert cause in [what for _, what in told(text, "happened")]


FRAUD = {
    "TERMINAL_COVER_OPENED": happens("terminal cover opened"),
    "METER_COVER_OPENED": happens("meter cover opened"),
    "STRONG_FIELD": happens("magnet"),
    "NEUTRAL_MISSING": happens("neutral missing"),
    "PHASE_SEQUENCE_REVERSED": happens("phases exchanged"),
    "CURRENT_REVERSAL": happens("current reversed"),
    "CURRENT_BYPASS": happens("bypass", extra=NEEDED["bypass"]),
    "CLOCK_SET_BACK": happens("clock", extra="to = 2026-06-01T12:00:00"),
    "AUTHENTICATION_FAILED": happens("wrong password", extra="times = 3"),
    "DECRYPTION_FAILED": happens("wrong key", extra="times = 3"),
    "REPLAY": happens("replay"),
}


@pytest.mark.parametrize("kind", FRAUD)
def test_every_kind_of_fraud_is_provoked_and_counted(kind: str) -> None:
    story = Story(parse(HEAD + FRAUD[kind]), days=0)
    records = story.meter.equipment.tamper_records.records
    assert set(FRAUD) == {cause.name for cause in records}
    story.run()
    counted = {cause.name: record.count for cause, record in records.items() if record.count}
    assert counted.pop(kind) == 1
    assert not counted


def test_who_has_no_business_there_is_told_apart() -> None:
    text = happens("replay", extra="times = 2") + happens("wrong key", extra="client = 2")
    text += happens("wrong password", extra="client = 99") + happens("power cut") + happens("replay")
    assert [what for _, what in told(text)] == [
        "replay (times 2): exception-response",
        "wrong key (client 2): nothing, that client has no keys",
        "wrong password (client 99): nothing, there is no such client with a password",
        "power cut",
        "replay: no answer",
    ]


def test_a_push_is_told_with_its_values_in_words_and_no_octet_of_a_key() -> None:
    text = happens("terminal cover opened")
    text += happens("script", 'after = "1m"', 'table = "0-0:10.0.108.255"\nscript = 4')
    lines = [what for _, what in told(text, "push")]
    name = "0-0:42.0.0.255 = CSM10000001 (logical device name)"
    assert lines[0] == (
        f"alarm, 67 octets: {name}; 0-0:97.98.20.255 = 8192 (fraud attempt); 0-0:97.98.21.255 = 0 (no alarm)"
    )
    assert name in lines[1]
    assert re.search(r"1-0:1\.8\.0\.255 = \d+ Wh \(active energy import", lines[1])
    text = happens("script", extra='table = "0-0:10.0.108.255"\nscript = 2')
    assert told(text, "push")[0][1].endswith("; 1-0:99.1.0.255 = 1 entry")


def test_a_call_is_taken_while_there_is_power() -> None:
    text = happens("call", extra=NEEDED["call"]) + happens("power cut") + happens("call", extra=NEEDED["call"])
    assert [what for _, what in told(text) if "call" in what] == [
        "call (number +431): taken",
        "call (number +431): no answer, there is no power",
    ]


def test_a_phase_brings_no_power_back_in_a_power_cut_but_where_all_were_missing() -> None:
    cut = happens("power cut") + happens("phase missing", extra="phase = 1")
    assert told(cut)[-1] == ("13:00:00", "phase missing (phase 1): there is no power")
    assert "power up" not in [what for _, what in told(cut, "happened")]
    gone = "".join(happens("phase missing", extra=f"phase = {phase}") for phase in (1, 2, 3))
    gone += happens("power return", 'after = "1m"') + happens("phase return", 'after = "1m"', "phase = 2")
    assert told(gone)[-2] == ("13:01:00", "power return: nothing, all phases are missing")
    assert ("13:02:00", "power up") in told(gone, "happened")


def test_a_command_says_what_the_meter_answered() -> None:
    text = happens("disconnect", extra='object = "0-1:96.3.10.255"') + happens("power cut") + happens("reconnect")
    assert [what for _, what in told(text)] == [
        "disconnect (object 0-1:96.3.10.255): object-undefined",
        "power cut",
        "reconnect: no answer, there is no power",
    ]


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("start = ", "this is no TOML"),
        ("start = 2026-02-30T00:00:00\ndays = 1", "this is no TOML"),
        ("days = 1", "start: this is no time"),
        ("start = 2026-03-29T02:30:00\ndays = 1", "start: 2026-03-29T02:30:00 does not exist"),
        ("start = 2026-06-01\ndays = nan", "days says how long"),
        (HEAD + "days_ = 1", "the scenario: 'days_' is none of title, start"),
        (HEAD + "[meter]\nlimit = true", "meter: limit: this is not a whole number"),
        (HEAD + "[meter]\ncontrol_mode = 8", "meter: control_mode: 8 is not in 0 to 7"),
        (HEAD + "[meter]\ncontrol_mode = 7", "meter: control_mode 7 belongs to"),
        (HEAD + '[meter]\ncompanion = "x"', "meter: companion is none of"),
        (HEAD + happens("dance"), "happens 1: do is none of power cut"),
        (HEAD + happens("button") + happens("magnet", ""), "happens 2 (magnet): say when"),
        (HEAD + happens("magnet", 'in = "soon"'), "happens 1 (magnet): in: this is no duration"),
        (HEAD + happens("magnet", 'in = "7h"'), "happens 1: its time is not within the scenario"),
        (HEAD + happens("bypass"), "happens 1 (bypass): phase is missing"),
        (HEAD + happens("bypass", extra="phase = 4"), "happens 1 (bypass): phase: 4 is not in 1 to 3"),
        (HEAD + happens("magnet", extra="phase = 1"), "happens 1 (magnet): 'phase' is none of its parameters"),
        (HEAD + happens("script", extra='table = "x"\nscript = 1'), "table: 'x' is no logical name"),
        (HEAD + "happens = 1", "happens is a list"),
        (HEAD + "happens = [1]", "happens 1: this is no table"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_with_its_place(text: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


VALUES = st.sampled_from(
    [
        "1",
        "-1",
        "0.5",
        "inf",
        "true",
        '""',
        '"1h"',
        '"2026-06-01"',
        "2026-06-01",
        "2026-06-01T12:00:00Z",
        "12:00:00",
        "[]",
        "{}",
        "[[1]]",
        "9999-12-31T23:59:59",
        "0001-01-01T00:00:00+14:00",
        "1180591620717411303424",
        '"0-0:10.0.106.255"',
    ]
)
NAMES = sorted({"at", "in", "after", "x"} | {name for item in INPUTS.values() for name in item.parameters})


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), st.sampled_from(sorted(INPUTS)), VALUES, VALUES)
def test_any_values_make_a_scenario_or_one_sentence(given: dict[str, str], do: str, start: str, days: str) -> None:
    item = "".join(f"{name} = {value}\n" for name, value in given.items())
    for head in (HEAD, f"start = {start}\ndays = {days}\n"):
        said = None
        try:
            scenario = parse(f'{head}[[happens]]\ndo = "{do}"\n{item}')
        except ConfigError as error:
            said = str(error)
        else:
            assert scenario.start <= scenario.entries[0].at <= scenario.end
        assert said is None or (said and "\n" not in said)


# --- command line -----------------------------------------------------------------------------------------------------


def cosem(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        run(list(arguments))
    return int(ended.value.code or 0), *capsys.readouterr()


def test_the_story_is_a_table_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "short.toml"
    path.write_text(HEAD + happens("terminal cover opened"), encoding="utf-8")
    status, out, _ = cosem(capsys, "simulate", "story", str(path), "--days", "0")
    assert (status, out.splitlines()[1]) == (0, "2026-06-01T13:00:00+02:00\tdone\tterminal cover opened")
    status, out, _ = cosem(capsys, "simulate", "story", str(path), "--days", "0", "--json")
    lines: list[dict[str, Any]] = json.loads(out)
    assert (status, [line["kind"] for line in lines]) == (0, ["done", "happened", "event", "alarm", "push"])
    assert lines[0]["at"] == utc(2026, 6, 1, 11)


def test_a_file_that_is_wrong_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wrong.toml"
    path.write_bytes(b"\xff")
    status, _, error = cosem(capsys, "simulate", "story", str(path))
    assert (status, error) == (2, f"cosem: {path}: a scenario is text in UTF-8\n")


def test_a_served_meter_lives_the_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cosem.cli.simulate import _build, simulate_meter

    path = tmp_path / "short.toml"
    path.write_text(HEAD + "[meter]\nlimit = 500\n" + happens("disconnect"), encoding="utf-8")
    options = simulate_meter.make_context("meter", ["--scenario", str(path), "--days", "0"]).params
    meter, _ = _build(options)
    assert (meter.now, meter.settings.limit) == (utc(2026, 6, 1, 10), 500)
    meter.advance(meter.now + 3600)
    assert not meter.disconnector.closed
    assert capsys.readouterr().err == "2026-06-01T13:00:00+02:00 disconnect: success\n"

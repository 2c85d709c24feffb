"""``cosem simulate mbus``: a bus to try things on, and lines of a radio receiver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cosem.cli.app import cosem
from cosem.client.mbus import mbus_connect
from cosem.errors import ConfigError


def run(*arguments: str, given: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(cosem, [*arguments], input=given, standalone_mode=False, catch_exceptions=False)
    return result.return_value, result.stdout


@pytest.mark.parametrize("where", [["--port", "0"], ["--pty"]])
def test_a_bus_to_read(where: list[str]) -> None:
    command = [sys.executable, "-m", "cosem", "simulate", "mbus", "--meters", "gas-wired,water-wired:2", "--json"]
    command += ["--at", "2026-04-03T12:00:00", "--days", "2", "--speed", "60", "--baud", "38400", *where]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert [meter["primary"] for meter in said["meters"]] == [1, 2, 3]
        with mbus_connect(said["url"]) as bus:
            reading = bus.reading(1).json()
            assert said["meters"][0]["secondary"].startswith(str(reading["id"]))
            assert str(reading["meter_datetime"]).startswith("2026-04-03 13:")
            assert bus.reading(3).media == "cold water"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


RADIO = ("simulate", "mbus", "--radio", "--at", "2026-04-03T12:00:00", "--days", "2", "--hours")


def test_radio_lines_are_readings() -> None:
    code, lines = run(*RADIO, "2")
    assert (code, lines) == run(*RADIO, "2")
    code, text = run("mbus", "listen", "--json", given=lines)
    readings = [json.loads(line) for line in text.splitlines()]
    assert (code, len(readings)) == (0, len(lines.splitlines()))
    assert {reading["meter"] for reading in readings} == {
        "gas-radio",
        "water-radio",
        "warm-water-radio",
        "heat-radio",
        "electricity-radio",
    }
    assert min(reading["timestamp"] for reading in readings) >= "2026-04-03T12:00:00Z"
    assert max(reading["timestamp"] for reading in readings) <= "2026-04-03T14:00:00Z"


def test_radio_under_a_key_and_with_noise() -> None:
    key = "42" * 16
    _, lines = run(*RADIO, "1", "--key", key, "--noise", "0.3")
    assert run("mbus", "listen", given=lines) == (1, "")
    code, text = run("mbus", "listen", "--json", "--key", key, given=lines)
    assert (code, len(text.splitlines())) == (0, len(lines.splitlines()))
    assert len(lines.splitlines()) < len(run(*RADIO, "1")[1].splitlines())


def test_what_there_is_not() -> None:
    for wrong in (
        ["--hours", "1"],
        ["--radio", "--meters", "gas-wired"],
        ["--meters", "gas-radio"],
        ["--meters", "gas-wired:0"],
        ["--meters", "nothing"],
        ["--meters", "sensus-iperl", "--radio"],
        ["--baud", "1234"],
        ["--meters", "gas-wired:900,heat-wired:900"],
    ):
        with pytest.raises(ConfigError):
            run("simulate", "mbus", *wrong)

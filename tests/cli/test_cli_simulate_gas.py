"""``cosem simulate gas`` and ``cosem gas plot``: devices that are built, served, read, and drawn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cosem.cli.app import run
from cosem.cli.simulate_gas import build
from cosem.device.gas.chromatograph import Chromatograph
from cosem.device.gas.converter import VolumeConverter
from cosem.device.gas.energy_converter import EnergyConverter
from cosem.device.gas.object_map import market_names
from cosem.errors import ConfigError
from support.gas_devices import converter, log
from support.served import key_file, served

SCENARIO = Path(__file__).parents[2] / "examples" / "scenarios" / "gas_day.toml"
OPTIONS: dict[str, Any] = {
    "kind": "converter",
    "market": "generic",
    "method": None,
    "site": None,
    "analyser": False,
    "days": 1.0,
    "seed": 1,
    "at": "2026-01-15T06:00:00+01:00",
    "cycle": 300,
    "auth": "high-gmac",
    "security": "both",
    "key_file": None,
    "device": None,
    "scenario": None,
}


def call(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        run([*arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize("market", market_names())
def test_a_device_of_each_market(market: str) -> None:
    device, note = build(OPTIONS | {"market": market, "days": 0.1})
    assert isinstance(device, VolumeConverter)
    assert device.settings.market == market
    assert "example keys" in note


@pytest.mark.parametrize("method", ["sgerg88", "aga8-detail", "aga8-gross1", "nx19", "fixed"])
def test_a_device_of_each_method(method: str) -> None:
    device, _ = build(OPTIONS | {"method": method, "days": 0.1})
    assert device.converter.settings.method.value == method
    assert not device.disturbances.alarms
    assert device.converter.counters.base.undisturbed.value > 0


def test_a_household_and_an_analyser() -> None:
    house, _ = build(OPTIONS | {"site": "household"})
    assert not house.disturbances.alarms
    assert 0 < house.converter.counters.base.absolute < 40 * 10**6
    analyser, _ = build(OPTIONS | {"kind": "chromatograph"})
    assert isinstance(analyser, Chromatograph)
    energy, _ = build(OPTIONS | {"kind": "energy", "days": 0.1})
    assert isinstance(energy, EnergyConverter)
    assert energy.converter.counters.energy.absolute > 0
    fed, _ = build(OPTIONS | {"analyser": True, "days": 0.1})
    fed.advance(fed.now + 7200)
    assert fed.converter.book.in_force.name.startswith("analysis")


def test_a_scenario_happens_and_is_told(capsys: Any) -> None:
    device, _ = build(OPTIONS | {"scenario": SCENARIO, "at": None, "cycle": None})
    device.advance(device.now + 86_400)
    told = capsys.readouterr().err
    assert "10:24:00+01:00 sensor fails (sensor pressure)" in told
    assert "in force" in told
    assert "refused: quality the day before: older than the one in force" in told
    assert log(device, "metrological") == [1, 2, 20, 5, 6, 23]
    assert device.converter.book.in_force.name == "from the north"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"market": "atlantis"}, "no object map"),
        ({"method": "magic"}, "magic"),
        ({"auth": "no"}, "--auth"),
        ({"security": "no"}, "--security"),
        ({"kind": "chromatograph", "analyser": True}, "belong to a converter"),
        ({"kind": "energy", "site": "household"}, "belongs to a converter"),
    ],
)
def test_options_that_mean_nothing(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(OPTIONS | wrong)


def test_a_scenario_that_does_not_hold_together(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('start = 2026-01-15T06:00:00\ndays = 1\n[[happens]]\nin = "1h"\ndo = "bypass"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="sensor fails"):
        build(OPTIONS | {"scenario": path})


def test_it_is_served_and_says_where() -> None:
    arguments = ("simulate", "gas", "--port", "0", "--days", "0", "--json")
    with subprocess.Popen(
        [sys.executable, "-m", "cosem", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(10) == 0
    assert said["serial"] == "70000001"
    assert set(said["urls"]) == {"public", "udp", "management", "reading", "hdlc"}


def test_a_plot_is_a_picture_and_checks_the_energy(capsys: Any, tmp_path: Path) -> None:
    device = converter(cycle=300)
    device.advance(device.now + 30 * 3600)
    keys, picture = str(key_file(tmp_path)), tmp_path / "day.svg"
    with served(device) as service:
        url = service.url(client="2", auth="low")
        code, out, _ = call(capsys, "gas", "plot", url, str(picture), "--keys", keys, "--title", "A day", "--json")
        answer = json.loads(out)
        assert (code, answer["rows"], answer["agrees"]) == (0, 25, True)
        assert answer["difference_ukwh"] <= 1
        ElementTree.parse(picture)
        code, _, err = call(capsys, "gas", "plot", url, str(tmp_path / "day.gif"), "--keys", keys)
        assert code == 2
        assert ".svg or a .png" in err
        # What is wrong with the device's own energy is the status of the command.
        device.converter.counters.energy.undisturbed.value += 10**6
        device.advance(device.now + 3600)
        code, _, err = call(capsys, "gas", "plot", url, str(picture), "--keys", keys)
        assert code == 1
        assert "1000000 units" in err or "999999 units" in err or "1000001 units" in err

"""``cosem utility``: a meter with gas and water on its M-Bus, asked and ordered over a real connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cosem.cli.app import run
from cosem.simulator.meter import demo_settings, simulated_meter
from cosem.simulator.utilities import DEMO_MBUS_KEY
from support.served import END, READING, Served, key_file, served

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cosem(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COSEM_COUNTERS", str(tmp_path / "counters.json"))
    monkeypatch.setenv("COSEM_KEYS", str(key_file(tmp_path)))

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            run(list(arguments))
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


@pytest.fixture
def world() -> Iterator[Served]:
    with served(simulated_meter(end=END, days=0.1, settings=None, utilities=("gas", "water"))) as made:
        yield made


def devices(cosem: Run, *arguments: str) -> list[dict[str, Any]]:
    status, out, err = cosem("utility", *arguments, "--json")
    assert (status, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)
    return found


def test_channels_are_listed_with_devices_and_values(cosem: Run, world: Served) -> None:
    status, out, err = cosem("utility", world.url())
    assert (status, err) == (0, "")
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == ["channel", "device", "medium", "object", "value", "time", "state"]
    assert rows[1][:4] == ["1", "ZZZ00010001", "gas", "0-1:24.2.1.255"]
    assert rows[1][4].endswith(" m³")
    assert rows[1][6] == "ok"
    assert [row[0] for row in rows[1:] if row[0]] == ["1", "2", "3", "4"]
    found = devices(cosem, world.url())
    assert [item["number"] for item in found] == ["00010001", "00010002", None, None]
    assert found[0]["values"][0]["unit"] == "m³"
    assert found[0]["valve"] == "connected"
    assert found[0]["key"] == "no encryption key"
    assert len(devices(cosem, world.url(**READING), "2")) == 1


def test_a_device_is_given_up_installed_and_read(cosem: Run, world: Served) -> None:
    url = world.url()
    assert devices(cosem, url, "2", "--remove")[0]["number"] is None
    (found,) = devices(cosem, url, "3", "--install", "--address", "77", "--every", "900")
    assert (found["number"], found["primary_address"], found["capture_period"]) == ("00010002", 77, 900)
    assert devices(cosem, url, "3", "--capture")[0]["values"][0]["value"] is not None
    assert devices(cosem, url, "1", "--set-clock")[0]["channel"] == 1
    assert devices(cosem, url, "1", "--reset-alarm")[0]["alarm"] == 0
    status, _, err = cosem("utility", url, "4", "--install")
    assert status == 1
    assert "other-reason" in err


def test_a_key_is_changed(cosem: Run, world: Served, tmp_path: Path) -> None:
    new, default = tmp_path / "new", tmp_path / "default"
    new.write_text("00112233445566778899AABBCCDDEEFF\n")
    default.write_text(DEMO_MBUS_KEY.hex())
    arguments = ("1", "--new-key", str(new), "--default-key", str(default))
    assert devices(cosem, world.url(), *arguments)[0]["key"] == "encryption key set and transferred"
    assert devices(cosem, world.url(), "1", "--capture")[0]["key"] == "encryption key in use"
    status, out, _ = cosem("utility", world.url(), "1")
    assert status == 0
    assert "ok, encryption key in use" in out
    assert new.read_text().strip() not in out


def test_a_valve_is_closed_by_its_name(cosem: Run, world: Served) -> None:
    assert cosem("disconnect", world.url(), "0-1:24.4.0")[:2] == (0, "disconnected, control mode 1\n")
    assert "valve disconnected" in cosem("utility", world.url(), "1")[1]


def test_short_names_do_as_well(cosem: Run) -> None:
    from dataclasses import replace

    from cosem.simulator.utilities import mbus_settings

    settings = replace(demo_settings(1), referencing="sn", mbus=mbus_settings(("gas",)))
    with served(simulated_meter(end=END, days=0.1, settings=settings, utilities=("gas",))) as made:
        assert devices(cosem, made.url())[0]["number"] == "00010001"
        assert devices(cosem, made.url(), "1", "--capture")[0]["number"] == "00010001"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--capture",), "on which channel?"),
        (("1", "--capture", "--remove"), "one thing at a time"),
        (("1", "--every", "900"), "belong to --install"),
        (("1", "--address", "9"), "belong to --install"),
        (("1", "--default-key", "x"), "belongs to --new-key"),
        (("1", "--new-key", "nowhere"), "nowhere: "),
        (("1", "--new-key", __file__), "holds no M-Bus key"),
    ],
)
def test_wrong_usage(cosem: Run, arguments: tuple[str, ...], said: str) -> None:
    status, out, err = cosem("utility", "tcp://127.0.0.1:1", *arguments)
    assert (status, out) == (2, "")
    assert said in err


def test_a_meter_without_that_channel(cosem: Run) -> None:
    with served(days=0.05) as made:
        status, out, err = cosem("utility", made.url(), "1")
        assert (status, out) == (2, "")
        assert "no M-Bus channel 1" in err
        assert devices(cosem, made.url()) == []


def test_simulate_refuses_utility_meters_that_there_are_not(cosem: Run) -> None:
    status, _, err = cosem("simulate", "meter", "--mbus", "oil")
    assert status == 2
    assert "'oil' is no utility meter" in err

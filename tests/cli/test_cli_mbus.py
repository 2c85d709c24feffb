"""``cosem mbus scan|read|send`` on a bus behind a converter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cosem.cli.app import cosem
from cosem.errors import ConfigError, SecurityError, Timeout
from cosem.io.mbus_server import BusServer
from cosem.io.server import serving
from cosem.link.line import Line, LineSettings
from cosem.mbus.model import models
from cosem.simulator.mbus_bus import SimulatedBus
from cosem.simulator.mbus_house import DEFAULT_KEY, speakers, stations, wanted
from support.mbus_meters import meter, station


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    stations = [
        station(meter(), primary=5, baud=38400, reaction=0.002, parts=2),
        station(meter("12345679"), primary=6, baud=38400, reaction=0.006),
    ]
    line = Line(LineSettings(38400, parity="E"))
    with serving(BusServer(SimulatedBus(stations, line=line))) as [(host, port)]:
        yield f"mbus+tcp://{host}:{port}?baud=38400&timeout=0.2&latency=0"


@pytest.fixture
def house() -> Iterator[str]:
    """A gas meter at 1, a heat meter at 2, which speak in clear until they get a key."""
    meters = wanted("gas-wired,heat-wired", models())
    voices = speakers(meters, seed=1, now=1_774_652_400, days=3, key=None)
    slaves = stations(voices, seed=1, baud=38400)
    line = Line(LineSettings(38400, parity="E"))
    with serving(BusServer(SimulatedBus(slaves, line=line))) as [(host, port)]:
        yield f"mbus+tcp://{host}:{port}?baud=38400&timeout=0.2&latency=0"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cosem, ["mbus", *arguments], standalone_mode=False, catch_exceptions=False)
    return result.return_value, result.stdout


def test_scan(url: str) -> None:
    code, text = run("scan", url, "--from", "5", "--to", "6", "--tries", "1", "--json")
    assert code == 0
    document = json.loads(text)
    assert document["collisions"] == []
    assert document["meters"][0] == {
        "primary": 5,
        "secondary": "12345678-KAM-01-04",
        "identification": "12345678",
        "manufacturer": "KAM",
        "version": 1,
        "medium": 4,
    }
    code, text = run("scan", url, "--within", "12345679", "--tries", "1")
    assert text.splitlines() == ["secondary\tprimary", "12345679-KAM-01-04\t6"]
    assert run("scan", url, "--from", "9", "--to", "9", "--tries", "1", "--json")[0] == 1


def test_scan_and_read(url: str) -> None:
    code, text = run("scan", url, "--within", "1234567F", "--tries", "1", "--read", "--json")
    meters = json.loads(text)["meters"]
    assert (code, [len(meter["reading"]["records"]) for meter in meters]) == (0, [2, 1])
    code, text = run("scan", url, "--from", "6", "--to", "6", "--tries", "1", "--read")
    assert text.splitlines()[2].startswith("KAM 12345679, heat (version 1), M-Bus records")


def test_read(url: str) -> None:
    code, text = run("read", url, "12345678", "--json")
    document = json.loads(text)
    telegrams = document["telegrams"]
    assert (document["header"]["manufacturer"], document["header"]["medium_name"]) == ("KAM", "heat")
    # One answer of two telegrams: the records of both.
    assert [record["quantity"] for record in document["records"]] == ["volume", "volume"]
    assert document["records"][0]["value"] == f"0.{int(document['records'][0]['data'][:2], 16):03d}"
    assert (code, len(telegrams), telegrams[0]["ci"]) == (0, 2, 0x72)
    assert bytes.fromhex(telegrams[0]["octets"]).startswith(meter().octets)
    assert run("read", url, "6", "--raw")[1].startswith("72 795634122d2c0104")
    lines = run("read", url, "6", "--octets")[1].splitlines()
    assert lines[0].startswith("KAM 12345679, heat (version 1), M-Bus records, access ")
    assert "identification: 12345679" in lines[8]
    assert [line.split("\t")[0] for line in lines[-2:]] == ["quantity", "volume"]
    assert run("read", url, "6", "--alarm") == (0, "")
    with pytest.raises(Timeout):
        run("read", url, "9")


def test_send(url: str) -> None:
    assert run("send", url, "6", "017a08")[0] == 0
    assert run("send", url, "8", "--set-address", "6", "--application-reset", "10")[0] == 0
    assert run("send", url, "6", "--reset")[0] == 0
    for wrong in (
        ["6"],
        ["6", "xx"],
        ["6", "00", "--ci", "5151"],
        ["6", "046d"],
        ["12345678", "--reset"],
        ["6", "--set-baud", "300"],
    ):
        with pytest.raises(ConfigError):
            run("send", url, *wrong)


def flat(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_house_is_read_and_ordered_by_its_models(house: str, tmp_path: Path) -> None:
    code, text = run("scan", house, "--to", "2", "--tries", "1", "--flat")
    gas, heat = flat(text)
    assert (code, gas["meter"], gas["valve"], heat["media"]) == (0, "gas-wired", "open", "heat")
    assert "prev_12_month_kwh" in heat
    (shut,) = flat(run("send", house, "1", "--valve", "close")[1])
    assert (shut["valve"], shut["id"]) == ("closed", gas["id"])
    (told,) = flat(run("send", house, "1", "--clock", "2026-04-03T12:00")[1])
    assert told["meter_datetime"] == "2026-04-03 12:00"

    keys = tmp_path / "keys.toml"
    default = f'mbus_default_key = "{DEFAULT_KEY.hex()}"'
    keys.write_text(
        f'[cellar]\nmbus_id = "{gas["id"]}"\nmbus_key = "{"41" * 16}"\n{default}\n'
        f'[next]\nmbus_key = "{"42" * 16}"\n{default}\n'
    )
    at = ("--keys", str(keys))
    with pytest.raises(SecurityError, match="came in clear"):
        run("send", house, "1", "--valve", "release", *at)
    assert run("send", house, "1", "--new-key", "cellar", *at)[0] == 0
    (read,) = flat(run("read", house, gas["id"], "--flat", *at)[1])
    assert (read["name"], read["valve"]) == ("cellar", "closed")
    # Without the key there is nothing to be read, and nobody moves the valve.
    assert run("read", house, "1", "--flat") == (1, "")
    with pytest.raises(SecurityError):
        run("send", house, "1", "--valve", "close")
    (read,) = flat(run("send", house, "1", "0dfd1003434241", *at)[1])
    assert read["site"] == "ABC"
    assert flat(run("send", house, "1", "--acknowledge", *at)[1])[0]["status"] == "OK"
    assert run("send", house, "1", "--new-key", "next", *at)[0] == 0
    assert run("read", house, "1", "--flat", *at) == (1, "")
    for wrong in (["--clock", "noon"], ["--clock", "2026-04-03T12:00Z"], ["--new-key", "cellar"]):
        with pytest.raises(ConfigError):
            run("send", house, "1", *wrong)
    for more in (["--flat", "--json"], ["--models", str(tmp_path)]):
        with pytest.raises(ConfigError):
            run("read", house, "1", *more)


def test_models_of_ones_own_come_first(house: str, tmp_path: Path) -> None:
    own = 'name = "mine"\ntitle = "Mine"\nrecognised = ["ZZZ-10-03"]\nfields = ["all_m3 0C13"]\n'
    (tmp_path / "mine.toml").write_text(own)
    (read,) = flat(run("read", house, "1", "--flat", "--models", str(tmp_path))[1])
    assert (read["meter"], "all_m3" in read, "total_m3" in read) == ("mine", True, False)
    (tmp_path / "mine.toml").write_text(own.replace("all_m3", "all_kwh"))
    with pytest.raises(ConfigError, match=r"mine\.toml, all_kwh 0C13"):
        run("read", house, "1", "--flat", "--models", str(tmp_path))

"""``cosem mbus scan|read|send`` on a bus behind a converter."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from cosem.cli.app import cosem
from cosem.errors import ConfigError, Timeout
from cosem.io.mbus_server import BusServer
from cosem.io.server import serving
from cosem.link.line import Line, LineSettings
from cosem.simulator.mbus_bus import SimulatedBus
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

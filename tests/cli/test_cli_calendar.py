"""`cosem calendar`: what is printed can be edited and set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosem.cli.app import run
from support.served import Served, key_file, served


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("COSEM_COUNTERS", str(tmp_path / "counters.json"))
    monkeypatch.setenv("COSEM_KEYS", str(key_file(tmp_path)))
    with served(days=0.1) as running:
        yield running


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        run(list(arguments))
    return int(ended.value.code or 0)


def test_a_calendar_is_printed_edited_and_set(
    world: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("calendar", world.url()) == 0
    printed = capsys.readouterr().out
    assert '"06:00:00" = 1' in printed
    file = tmp_path / "calendar.toml"
    file.write_text(printed.replace("06:00:00", "07:00:00").replace("two tariffs", "later"))
    assert call("calendar", world.url(), "--set", str(file)) == 0
    assert capsys.readouterr().out == file.read_text()
    assert call("calendar", world.url(), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["name"] == "later"
    assert shown["day"]["1"] == {"00:00:00": 2, "07:00:00": 1, "22:00:00": 2}


def test_set_for_later_the_passive_calendar_is_shown(
    world: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("calendar", world.url()) == 0
    file = tmp_path / "calendar.toml"
    file.write_text(capsys.readouterr().out.replace("two tariffs", "later"))
    for moment in ("never", "2030-01-01T00:00:00"):
        assert call("calendar", world.url(), "--set", str(file), "--at", moment) == 0
        assert 'name = "later"' in capsys.readouterr().out
        assert call("calendar", world.url()) == 0
        assert 'name = "two tariffs"' in capsys.readouterr().out


def test_a_file_that_is_no_calendar_is_told_before_anybody_is_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "calendar.toml"
    file.write_text("name = 'x'\n")
    assert call("calendar", "tcp://127.0.0.1:1", "--set", str(file)) == 2
    assert "season" in capsys.readouterr().err

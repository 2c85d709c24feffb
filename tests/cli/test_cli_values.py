"""Values and times as people write them, catalogue commands, and drawings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cosem.cli.app import run
from cosem.cli.meter import Target, _split
from cosem.cli.output import heading, json_text, printable
from cosem.cli.plot import plot, sparkline
from cosem.cli.values import parse_time, parse_value
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.errors import ConfigError

MOMENT = bytes.fromhex("07ea0b01070c000000ffc400")


@pytest.mark.parametrize(
    ("text", "like", "value"),
    [
        ("5", Tag.UNSIGNED, 5),
        ("0x10", Tag.LONG_UNSIGNED, 16),
        ("-5", Tag.INTEGER, -5),
        ("2", Tag.ENUM, 2),
        ("1.5", Tag.FLOAT64, 1.5),
        ("yes", Tag.BOOLEAN, True),
        ("OFF", Tag.BOOLEAN, False),
        ("text", Tag.VISIBLE_STRING, "text"),
        ("grüße", Tag.UTF8_STRING, "grüße"),
        ("0101", Tag.BIT_STRING, "0101"),
        ("00 ff", Tag.OCTET_STRING, b"\x00\xff"),
        ("'text'", Tag.OCTET_STRING, b"text"),
        ("2026-11-01T12:00:00+01:00", Tag.OCTET_STRING, MOMENT),
        ("2026-11-01T12:00:00+01:00", Tag.DATE_TIME, MOMENT),
        ("anything", Tag.NULL_DATA, None),
    ],
)
def test_a_plain_value_takes_the_type_that_stands_there(text: str, like: Tag, value: Any) -> None:
    assert parse_value(text, Data(like, None)) == Data(like, value)


@pytest.mark.parametrize(
    ("text", "like"),
    [
        ("256", Tag.UNSIGNED),
        ("x", Tag.UNSIGNED),
        ("x", Tag.FLOAT32),
        ("maybe", Tag.BOOLEAN),
        ("012", Tag.BIT_STRING),
        ("xyz", Tag.OCTET_STRING),
        ("5", Tag.ARRAY),
        ("€", Tag.VISIBLE_STRING),
    ],
)
def test_what_does_not_fit_the_type_is_told_with_the_type(text: str, like: Tag) -> None:
    with pytest.raises(ConfigError, match=f"{text!r} is no {like.label}, which is what stands there"):
        parse_value(text, Data(like, None))


def test_json_says_its_own_type_and_a_declaration_stands_in_for_a_value() -> None:
    assert parse_value(' {"unsigned": 3}', axdr.long(1)) == axdr.unsigned(3)
    with pytest.raises(ConfigError, match="is no JSON"):
        parse_value('{"unsigned"', None)
    with pytest.raises(ConfigError, match="the type of '5' cannot be told"):
        parse_value("5", None)

    class Declared:
        tags = frozenset({Tag.LONG})

    assert parse_value("5", None, Declared()) == axdr.long(5)


@pytest.mark.parametrize("text", ['{"structure":[' * 100_000, '{"unsigned": 1, "unsigned": 2}'])
def test_json_that_cannot_be_meant_is_told_shortly(text: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse_value(text, None)
    assert len(str(told.value)) < 100


def test_times() -> None:
    assert parse_time("2026-11-24").isoformat() == "2026-11-24T00:00:00"
    assert parse_time("2026-11-24T15:30+01:00").utcoffset() is not None
    with pytest.raises(ConfigError, match="'tomorrow' is no time"):
        parse_time("tomorrow")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1-0:1.8.0", ("1-0:1.8.0", None)),
        ("1-0:1.8.0:3", ("1-0:1.8.0", "3")),
        ("1-0:1.8.0*255:value", ("1-0:1.8.0*255", "value")),
        ("1.0.1.8.0.255", ("1.0.1.8.0.255", None)),
        ("1.8.0:2", ("1.8.0", "2")),
        ("0100010800ff:-1", ("0100010800ff", "-1")),
        ("0100010800FF", ("0100010800FF", None)),
    ],
)
def test_the_attribute_stands_behind_the_last_colon(text: str, parts: tuple[str, str | None]) -> None:
    assert _split(text) == parts
    target = Target(text)
    assert (str(target.name), target.member) == ("1-0:1.8.0.255", parts[1])


def test_nothing_of_a_text_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("plain ö") == "plain ö"
    assert printable("a\x1bb\x9b\n\t\u202e\ud800") == "a\ufffdb\ufffd\ufffd\ufffd\ufffd\ufffd"
    value = {"ö": "\x9b\u202e\x7f\ud800\U000e0001 m³"}
    text = json_text(value)
    assert text.isprintable()
    assert "m³" in text
    assert json.loads(text) == value
    heading("title")
    assert capsys.readouterr().out == "title\n"


def test_drawings() -> None:
    assert plot([]) == []
    lines = plot([0, 1, 2, 4, -1], height=4, unit="W", labels=("a", "b"))
    assert len(lines) == 6
    assert lines[0].endswith("   █ ")
    assert lines[-1].split() == ["W", "a", "b"]
    assert len(plot([100.0], height=2)) == 3
    assert sparkline([0, 1, 2]) == " ▄█"
    assert sparkline([]) == ""


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        run(list(arguments))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_obis_codes_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = _run(capsys, "obis", "1.8.0")
    assert status == 0
    assert out.startswith("1-0:1.8.0.255\n")
    status, out, _ = _run(capsys, "obis", "1.8.0", "--json")
    document = json.loads(out)
    assert (document["obis"], document["hex"]) == ("1-0:1.8.0.255", "0100010800ff")
    assert [group["group"] for group in document["groups"]] == list("ABCDEF")
    assert len(json.loads(_run(capsys, "obis", "1.8.0", "2.8.0", "--json")[1])) == 2
    status, out, err = _run(capsys, "obis", "nonsense")
    assert (status, out) == (2, "")
    assert "is no OBIS code" in err
    status, out, _ = _run(capsys, "obis", "nonsense", "--json")
    assert status == 2
    assert json.loads(out)["error"]["kind"] == "ConfigError"


def test_interface_classes_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = _run(capsys, "class")
    assert status == 0
    assert "3\t0\tRegister" in out
    assert {item["class_id"] for item in json.loads(_run(capsys, "class", "--json")[1])} >= {
        1,
        3,
        4,
        7,
        8,
        15,
        17,
        64,
        70,
    }
    for which in ("70", "Disconnect control", "DisconnectControl"):
        document = json.loads(_run(capsys, "class", which, "--json")[1])
        assert (document["class_id"], document["name"]) == (70, "Disconnect control")
    assert json.loads(_run(capsys, "class", "15", "--version", "1", "--json")[1])["version"] == 1
    assert json.loads(_run(capsys, "class", "Register", "--version", "0", "--json")[1])["version"] == 0
    out = _run(capsys, "class", "64")[1]
    assert "attribute\tname\ttype\tshort name" in out
    assert "method\tname" in out
    out = _run(capsys, "class", "disconnect control")[1]
    assert "enum ControlState\n" in out
    assert "2\tready for reconnection\n" in out
    assert "Other versions: 1 (--version)." in out
    assert "7\tdaylight saving\n" in _run(capsys, "class", "clock")[1]
    assert "preset_time\toctet-string(date-time)\n" in _run(capsys, "class", "clock")[1]
    assert "1\tbuffer\trange_descriptor\t" in _run(capsys, "class", "profile generic")[1]
    assert "This version is not verified." in _run(capsys, "class", "70", "--version", "1")[1]
    status, _, err = _run(capsys, "class", "70", "--version", "9")
    assert (status, "no interface class '70' version 9 is known" in err) == (2, True)
    status, _, err = _run(capsys, "class", "Nonsense")
    assert (status, "no interface class is called 'Nonsense'" in err) == (2, True)


@pytest.mark.parametrize("which", [("8",), ("15", "--version", "3"), ("64",), ("111",)])
def test_a_class_fits_a_terminal_of_80_columns(
    which: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for module in ("output", "classes"):
        monkeypatch.setattr(f"cosem.cli.{module}.is_terminal", lambda: True)
    lines = _run(capsys, "class", *which)[1].splitlines()
    assert len(lines) > 30
    assert max(map(len, lines)) <= 80

"""``cosem plc decode``: frames of a power line on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cosem.cli.app import cosem
from support.power_line import frames

DISCOVER = "6c6c00c00fff119000011d64000a0000" + 17 * "00" + "0b8480"


def run(*arguments: str, text: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(cosem, ["plc", "decode", *arguments], input=text, standalone_mode=False)
    assert result.exception is None, result.exception
    return int(result.return_value or 0), result.output


def test_a_frame_in_words() -> None:
    status, output = run(DISCOVER)
    assert status == 0
    for words in ("sfsk-mac", "credits: IC 0, CC 0, DC 0", "all physical", "sfsk-llc", "discover", "textbook"):
        assert words in output


@pytest.mark.parametrize("case", frames("modem")[:2] + frames("line")[:2], ids=lambda case: case["what"])
def test_frames_as_json(case: dict[str, str]) -> None:
    status, output = run("--json", "-", text=case["octets"])
    assert status == 0
    answer = json.loads(output)
    assert answer["layers"][0]["layer"] == "sfsk-mac"
    assert answer["layers"][-1]["layer"] == "ciase"


@pytest.mark.parametrize(
    ("octets", "first"), [("90000119580000000001", "sfsk-llc"), ("7ea0070321930f017e", "hdlc"), (DISCOVER, "sfsk-mac")]
)
def test_an_m_sdu_by_itself(octets: str, first: str) -> None:
    status, output = run("--json", octets)
    assert status == 0
    assert json.loads(output)["layers"][0]["layer"] == first


def test_a_frame_that_was_altered() -> None:
    status, output = run(DISCOVER[:-1] + "1")
    assert status == 1
    assert "the check sequence is wrong" in output


def test_the_other_commands_know_the_layer_too() -> None:
    result = CliRunner().invoke(cosem, ["decode", "--as", "sfsk-mac", "--json", DISCOVER], standalone_mode=False)
    assert result.return_value == 0
    assert json.loads(result.output)["layers"][0]["SA"] == "C00"


def test_the_examples_that_are_told_work() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plc.md").read_text(encoding="utf-8")
    help_text = CliRunner().invoke(cosem, ["plc", "decode", "--help"]).output
    for text in (page, help_text):
        octets = re.search(r"cosem plc decode ([0-9a-f]+)", text)
        assert octets is not None
        assert run(octets[1])[0] == 0

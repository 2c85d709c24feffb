"""``cosem simulate feeder``: what it tells, draws and serves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from cosem.classes import Register
from cosem.cli.app import cosem
from cosem.client import connect
from cosem.simulator.feeder import Feeder, Place, Segment, random_feeder
from cosem.simulator.feeder_picture import StationView, lanes, meters_at, picture

KEYS = Path(__file__).parents[2] / "examples" / "keys.toml"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cosem, ["simulate", "feeder", *arguments], standalone_mode=False)
    assert result.exception is None, result.exception
    return result.output


def test_a_feeder_is_told_from_its_tree_to_its_repeaters(tmp_path: Path) -> None:
    drawn = tmp_path / "feeder.svg"
    text = run("--meters", "30", "--seed", "3", "--list", "--svg", str(drawn))
    assert "feeder of 30 meters, seed 3" in text
    assert text.count("cable ") >= 4
    meters = sum(int(count) for count in re.findall(r"(\d+) meters  L1:", text))
    assert meters == 30
    assert "30 found in" in text
    assert "repeaters called in" in text
    rows = [line.split("\t") for line in text.splitlines() if re.match(r"[0-9A-F]{3}\t", line)]
    assert len({row[0] for row in rows}) == 30
    root = ElementTree.fromstring(drawn.read_text(encoding="utf-8"))
    titles = [item.text or "" for item in root.iter("{http://www.w3.org/2000/svg}title")]
    assert sum("address" in item for item in titles) == 2 * 30


def test_the_document_says_the_same_and_is_the_same_again() -> None:
    document = json.loads(run("--meters", "20", "--seed", "2", "--json"))
    assert document["registered"] == document["meters"] == 20
    assert document["rounds"] > 5
    repeating = [item["repeats"] for item in document["stations"]]
    assert 0 < sum(repeating) < 20
    assert all(item["repeated_before"] for item in document["stations"])
    assert json.loads(run("--meters", "20", "--seed", "2", "--json")) == document


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        cosem, ["simulate", "feeder", "--meters", "2", "--svg", str(tmp_path / "no" / "f.svg")], standalone_mode=False
    )
    assert "cannot write" in str(result.exception) or "cannot write" in result.output


def test_a_feeder_in_which_nobody_hears_anybody_says_so() -> None:
    text = run("--meters", "3", "--noise", "120")
    assert "nobody was found" in text
    assert "heard under its address" not in text
    assert run("--meters", "1").count("1 meter   L1:") == 1


def test_a_noise_that_is_no_number_is_refused() -> None:
    result = CliRunner().invoke(cosem, ["simulate", "feeder", "--noise", "nan"], standalone_mode=False)
    assert "no number" in str(getattr(result.exception, "message", result.exception))


@pytest.mark.parametrize("seed", range(5))
def test_every_meter_and_every_cabinet_is_drawn_once(seed: int) -> None:
    feeder = random_feeder(60, seed=seed, cables=1 + seed)
    cabinets = [joint for lane in lanes(feeder) for joint, _ in lane.cabinets]
    assert len(cabinets) == len(set(cabinets))
    drawn = [station for joint in cabinets for station in meters_at(feeder).get(joint, ())]
    assert sorted(drawn) == list(range(1, 61))


def test_a_meter_without_an_address_is_hollow_and_says_so() -> None:
    feeder = Feeder((Segment(0, 50), Segment(1, 10)), (Place(0, 0), Place(2, 1)))
    svg = picture(feeder, [("now", [StationView(1, 0, 0, False, 0.0)])], title="<one>")
    assert "without an address" in svg
    assert "&lt;one&gt;" in svg
    assert "0 of 1 meters registered" in svg


def test_a_served_feeder_is_read_from_outside_the_meter_and_what_was_kept_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cosem", "simulate", "feeder", "--meters", "4", "--serve", "tcp", "--port", "0"]
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        urls = json.loads(process.stdout.readline())["urls"]
        with connect(urls["meter"], keys=KEYS, counters=tmp_path / "counters") as meter:
            assert meter[Register, "1-0:1.8.0"].value > 0
        with connect(urls["kept"], keys=KEYS, counters=tmp_path / "counters") as kept:
            assert len(kept.profile("1-0:99.1.0").read()) == 96
    finally:
        process.terminate()
        process.communicate(timeout=20)

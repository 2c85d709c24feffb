"""``cosem gas``: its contract for scripts, its tables for people, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cosem.cli.app import run
from cosem.gas import accelerated
from support.gases import gas, load

LEAN = ["--hs", "40.66", "--density", "0.581", "--co2", "0.006"]
STATE = ["--pressure", "60", "--temperature", "-3.15"]


def call(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        run(["gas", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def composition(tmp_path: Path) -> str:
    path = tmp_path / "gas.json"
    path.write_text(json.dumps(load("detail")["gases"]["gas1"]), encoding="utf-8")
    return str(path)


def test_z_answers_as_scripts_expect_it(capsys: Any) -> None:
    code, out, _ = call(capsys, "z", "--method", "sgerg88", *STATE, *LEAN, "--h2", "0", "--json")
    answer = json.loads(out)
    assert code == 0
    assert set(answer) == {"z", "method", "in_range"}
    assert answer["z"] == pytest.approx(0.84084, abs=5e-6)
    assert answer["method"] == "sgerg88"
    assert answer["in_range"] is True


@pytest.mark.parametrize(
    ("method", "z"),
    [
        ("aga8-detail", 0.840527),
        pytest.param(
            "gerg2008", 0.84091, marks=pytest.mark.skipif(not accelerated.available(), reason="pyaga8 is not installed")
        ),
        ("aga8-gross1", 0.84077),
        ("aga8-gross2", 0.84089),
        ("nx19", 0.84397),
        ("sgerg88", 0.84077),
        ("fixed", 0.9),
    ],
)
def test_every_method_takes_a_composition(capsys: Any, composition: str, method: str, z: float) -> None:
    arguments = ("z", "--method", method, *STATE, "--composition", composition, "--fixed", "0.9", "--json")
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    assert json.loads(out)["z"] == pytest.approx(z, abs=1e-5)


def test_gross_methods_take_figures_at_60_fahrenheit(capsys: Any) -> None:
    facts = load("gross")
    for fahrenheit, psia, name, z, _ in facts["points"][::40]:
        inputs = facts["gases"][name]
        state = ("--pressure", str(psia * 0.06894757293168), "--temperature", str((fahrenheit - 32) / 1.8))
        figures = [part for key in ("hs", "density", "co2") for part in (f"--{key}", str(inputs[key]))]
        code, out, _ = call(capsys, "z", "--method", "aga8-gross1", *state, *figures, "--reference", "60F", "--json")
        assert code == 0
        assert json.loads(out)["z"] == pytest.approx(z, abs=2e-6)
    code, _, err = call(capsys, "z", "--method", "sgerg88", *STATE, *LEAN, "--reference", "60F")
    assert (code, "takes no other reference conditions" in err) == (2, True)
    arguments = ("convert", "1", *STATE, "--method", "aga8-gross2", *LEAN[2:], "--n2", "0.01", "--reference", "60F")
    _, out, _ = call(capsys, *arguments, "--json")
    assert json.loads(out)["energy_kwh"] is None


def test_what_is_out_of_range_is_told_to_people_and_scripts(capsys: Any) -> None:
    arguments = ("z", "--method", "sgerg88", "--pressure", "200", "--temperature", "10", *LEAN)
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    assert "in range\tno" in out
    assert "pressure 200 bar: 0 to 120" in out
    _, out, _ = call(capsys, *arguments, "--json")
    assert json.loads(out)["outside"] == ["pressure 200 bar: 0 to 120"]
    assert json.loads(out)["in_range"] is False


@pytest.mark.parametrize(
    ("arguments", "status", "what"),
    [
        (["z", "--method", "sgerg88", *STATE], 2, "needs a calorific value"),
        (["z", "--method", "aga8-detail", *STATE, *LEAN], 2, "needs --composition FILE.json"),
        (["z", "--method", "nx19-mod", *STATE, *LEAN], 2, "no public source has its coefficients"),
        (["z", "--method", "boyle", *STATE, *LEAN], 2, "no method 'boyle'"),
        (["z", "--method", "sgerg88", "--pressure", "-1", "--temperature", "0", *LEAN], 1, "no state of a gas"),
        (["z", "--method", "sgerg88", *STATE, *LEAN[:4], "--co2", "1.5"], 1, "a mole fraction of 1.5 is none"),
        (["z", "--method", "sgerg88", *STATE, "--hs", "48", "--density", "0.555", "--co2", "0"], 1, "contradict"),
        (["z", "--method", "sgerg88", *STATE, *LEAN, "--composition", "x"], 2, "say the same twice"),
        (["z", "--method", "nx19", "--pressure", "300", "--temperature", "0", *LEAN, "--n2", "0"], 1, "nx19 is public"),
        (["z", "--method", "aga8-detail", *STATE, "--composition", "/no/such/file"], 2, "No such file"),
        (["convert", "ten", *STATE, *LEAN], 2, "M3: 'ten' is no number"),
        (["convert", "1e400000000", *STATE, *LEAN], 2, "M3: '1e400000000' is out of all range"),
        (["convert", "1e-400000000", *STATE, *LEAN], 2, "M3: '1e-400000000' is out of all range"),
        (
            ["convert", "1", *STATE, "--method", "aga8-gross2", "--hs", "1e32", *LEAN[2:], "--n2", "0"],
            2,
            "a calorific value of 1e+32 MJ/m³ is none",
        ),
        (["convert", "NaN", *STATE, *LEAN], 2, "M3: 'NaN' is no number"),
        (["convert", "1", "--pressure", "1", "--temperature", "-300", *LEAN], 2, "no state of a gas"),
        (["convert", "1", *STATE, "--method", "fixed", "--fixed", "0"], 2, "a K of 0 is none"),
        (["convert", "--", "-1"], 2, "Missing option"),
        (["quality", "/no/such/file"], 2, "No such file"),
    ],
)
def test_refusals_say_what_is_wrong(capsys: Any, arguments: list[str], status: int, what: str) -> None:
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (status, "")
    assert what in err
    code, out, _ = call(capsys, *arguments[:1], "--json", *arguments[1:])
    assert code == status
    assert what in json.loads(out)["error"]["what"]


def test_files_that_hold_no_composition_are_refused(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "gas.json"
    for text, status, what in (
        ("{", 2, "no JSON document"),
        ("[1]", 2, "no JSON object"),
        ("{}", 2, "no JSON object"),
        ("[" * 100_000, 2, "no JSON document"),
        ('{"methane": 1' + "0" * 400 + "}", 1, "a mole fraction of 1e308 and more is none"),
        ('{"methane": "much"}', 2, "which is no number"),
        ('{"methane": true}', 2, "which is no number"),
        ('{"methane": 0.9}', 1, "add up to 0.9 instead of 1"),
        ('{"methane": 0.9, "air": 0.1}', 1, "'air' is no component"),
        ('{"methane": 0.9, "ammonia": 0.1}', 1, "knows no ammonia"),
    ):
        path.write_text(text, encoding="utf-8")
        code, _, err = call(capsys, "z", "--method", "aga8-detail", *STATE, "--composition", str(path))
        assert (code, what in err) == (status, True), err


def test_a_volume_becomes_base_volume_and_energy_exactly(capsys: Any, composition: str) -> None:
    arguments = ("convert", "100", "--pressure", "70", "--temperature", "15", *LEAN)
    code, out, _ = call(capsys, *arguments, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["c"] == "76.09043427"
    assert answer["base_volume"] == "7609.04342700"
    assert answer["calorific"] == "11.294444"
    assert float(answer["energy_kwh"]) == pytest.approx(7609.043427 * 11.294444, rel=1e-12)
    assert answer["in_range"] is True
    _, out, _ = call(capsys, *arguments, "--calorific", "10")
    assert "energy\t76090.4342700" in out
    _, out, _ = call(capsys, "convert", "100", "--pressure", "70", "--temperature", "15", "--method", "fixed", "--json")
    assert json.loads(out)["c"] == f"{70 / 1.01325 * 273.15 / 288.15:.8f}"
    assert json.loads(out)["energy_kwh"] is None
    base = ("--base-temperature", "15", "--composition", composition)
    _, out, _ = call(capsys, "convert", "1", "--pressure", "70", "--temperature", "15", *base, "--json")
    assert float(json.loads(out)["calorific"]) * 3.6 == pytest.approx(38.5265, abs=1e-3)
    _, out, _ = call(capsys, *arguments, "--base-temperature", "15", "--json")
    assert json.loads(out)["calorific"] is None


def test_quality_is_told_with_uncertainties_at_one_or_all_references(
    capsys: Any, composition: str, tmp_path: Path
) -> None:
    code, out, _ = call(capsys, "quality", composition, "--combustion", "15", "--metering", "15")
    assert code == 0
    # ISO 12213-3 prints 0.581 for this gas.
    assert "relative density\t0.5811" in out
    _, out, _ = call(capsys, "quality", composition, "--json")
    answer = json.loads(out)
    assert answer["superior_volume"]["value"] == pytest.approx(40.6606, abs=1e-4)
    assert answer["hydrogen_share"] == 0.0
    spread = tmp_path / "u.json"
    spread.write_text('{"methane": 0.001}', encoding="utf-8")
    _, out, _ = call(capsys, "quality", composition, "--uncertainty", str(spread), "--json")
    assert json.loads(out)["superior_volume"]["u"] > answer["superior_volume"]["u"]
    _, out, _ = call(capsys, "quality", composition, "--all", "--json")
    assert len(json.loads(out)) == 20
    _, out, _ = call(capsys, "quality", composition, "--all")
    assert len(out.splitlines()) == 21
    _, out, _ = call(capsys, "quality", composition, "--edition", "1995", "--json")
    assert json.loads(out)["superior_volume"]["u"] is None
    code, _, err = call(capsys, "quality", composition, "--all", "--edition", "1995")
    assert (code, "--all goes with" in err) == (2, True)
    code, _, err = call(capsys, "quality", composition, "--metering", "25")
    assert (code, "no data at a reference temperature" in err) == (2, True)


def test_percent_are_normalised_when_asked(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "percent.json"
    amounts = {name: 99 * share for name, share in gas(4).items()}
    path.write_text(json.dumps({"composition": amounts}), encoding="utf-8")
    code, _, err = call(capsys, "quality", str(path))
    assert (code, "is none (0 to 1)" in err) == (1, True)
    code, out, _ = call(capsys, "quality", str(path), "--normalise", "--json")
    assert code == 0
    assert json.loads(out)["hydrogen_share"] == pytest.approx(0.095)

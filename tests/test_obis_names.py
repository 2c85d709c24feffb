"""OBIS codes explain themselves, from the grammar of their value groups."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.obis_names import Explanation, Status, explain, words
from cosem.units import Unit

HERE = Path(__file__).parent
SHARED = HERE.parents[1] / "shared" / "vectors"
FACTS = [json.loads(line) for line in (HERE / "data" / "obis_codes.jsonl").read_text(encoding="utf-8").splitlines()]
NEEDED = 0.95
"""How many of the published codes must be explained in full words."""

codes = st.binary(min_size=6, max_size=6)
MEDIA = [explain(bytes((a, 0, 0, 0, 0, 255))).medium for a in range(16)]  # reads the tables before a property is timed


@pytest.mark.parametrize("fact", FACTS, ids=[fact["code"] for fact in FACTS])
def test_what_a_code_means(fact):
    explanation = explain(fact["code"])
    assert explanation.known
    assert explanation.medium == fact["medium"]
    for said in fact["says"]:
        assert said in explanation.words
    assert explanation.unit == (None if fact["unit"] is None else Unit(fact["unit"]))
    if fact["class"] is None:
        assert explanation.classes == ()
    else:
        assert explanation.classes[0] == fact["class"]


@given(codes)
def test_any_six_octets_have_an_explanation(octets):
    explanation = explain(octets)
    assert explanation.obis == octets
    assert [group.letter for group in explanation.groups] == list("ABCDEF")
    assert bytes(group.value for group in explanation.groups) == octets
    told = [explanation.words, explanation.medium, *(group.words for group in explanation.groups)]
    assert all(text and text == text.strip() and text.isprintable() and "{" not in text for text in told)
    assert explanation.known == ("reserved or not known" not in explanation.words)
    assert explanation.known or not explanation.standard
    assert words(octets) == (explanation.words if explanation.known else "")
    assert json.loads(json.dumps(explanation.to_json()))["words"] == explanation.words


# What a range of values is, whatever the other groups are.


@given(codes, st.integers(65, 127))
def test_channels_of_the_utility_are_named(octets, b):
    group = explain(bytes((octets[0], b, *octets[2:]))).groups[1]
    assert (group.status, group.words) == (Status.UTILITY, f"utility specific channel {b}")


@given(codes, st.integers(128, 199))
def test_channels_of_the_manufacturer_are_named(octets, b):
    explanation = explain(bytes((octets[0], b, *octets[2:])))
    assert explanation.groups[1].status is Status.MANUFACTURER
    assert f"manufacturer specific channel {b}" in explanation.words


@given(st.sampled_from((0, 1, 4, 5, 6, 7, 8, 9, 15)), st.one_of(st.integers(128, 199), st.just(240)), codes)
def test_quantities_of_the_manufacturer_are_named_and_nothing_behind_them_is_guessed(a, c, octets):
    explanation = explain(bytes((a, 0, c, *octets[3:5], 255)))
    assert [group.status for group in explanation.groups[2:5]] == [Status.MANUFACTURER] * 3
    assert explanation.words.startswith(f"manufacturer specific quantity {c}")
    assert (explanation.unit, explanation.classes) == (None, ())


@given(st.sampled_from((2, 3, 10, 11, 12, 13, 14, *range(16, 256))), codes)
def test_media_that_are_not_known_are_not_guessed(a, octets):
    explanation = explain(bytes((a, *octets[1:])))
    assert explanation.groups[0].status is Status.UNKNOWN
    assert not explanation.known
    assert explanation.words.startswith(f"A = {a} (reserved or not known), ")
    assert words(explanation.obis) == ""


@given(st.sampled_from((1, 4, 5, 6, 7, 8, 9)), st.integers(0, 99))
def test_earlier_values_name_their_billing_period(a, f):
    code = bytes((a, 0, 1, 0, 0, f))
    assert explain(code).words.endswith(f", billing period {f}")
    assert explain(code[:5] + b"\xff").words == explain(code).words.rpartition(", ")[0]


@given(st.integers(1, 20), st.integers(0, 255), st.integers(0, 255))
def test_the_phases_repeat_the_quantities_of_all_phases(c, d, e):
    whole = explain(bytes((1, 0, c, d, e, 255)))
    for phase in (1, 2, 3):
        part = explain(bytes((1, 0, c + 20 * phase, d, e, 255)))
        assert part.groups[2].words == f"{whole.groups[2].words} L{phase}"
        assert part.groups[3:] == whole.groups[3:]
        assert (part.unit, part.classes) == (whole.unit, whole.classes)


@given(st.integers(1, 6), st.integers(0, 98))
def test_gas_is_counted_alike_in_meter_converter_and_logger(c, d):
    meter, converter, logger = (explain(bytes((7, 0, start + c, d, 0, 255))) for start in (0, 10, 20))
    assert meter.words.replace("meter volume", "converter volume") == converter.words
    assert meter.words.replace("meter volume", "logger volume") == logger.words
    assert meter.unit == converter.unit == logger.unit


@given(st.sampled_from((*range(8, 21), *range(60, 85))))
def test_a_component_is_measured_and_set_under_the_same_number(item):
    measured, setting = explain(bytes((7, 0, 70, item, 0, 255))), explain(bytes((7, 0, 0, 12, item, 255)))
    assert measured.groups[3].words == setting.groups[4].words
    assert measured.unit == setting.unit


@given(st.integers(0, 98).filter(lambda d: d not in (4, 5)), st.integers(11, 16))
def test_a_profile_of_a_gas_quantity_says_what_it_is_of(d, c):
    profile, value = explain(bytes((7, 0, 99, c, d, 255))), explain(bytes((7, 0, c, d, 0, 255)))
    assert profile.groups[4].words == value.groups[3].words
    assert profile.classes == (7,)


# The rest.


def test_groups_by_themselves():
    explanation = explain("1-0:2.6.2*101")
    assert [group.words for group in explanation.groups] == [
        "electricity",
        "no channel",
        "active power export",
        "maximum (measurement period 1)",
        "rate 2",
        "last billing period",
    ]
    assert explanation.standard
    assert explain("1-0:1.8.0*126").classes == (7,)
    assert explain("1-0:1.35.0*2").groups[5].words == "threshold 2"
    assert explain("1-0:127.0.0").groups[2].status is Status.INACTIVE


def test_what_is_no_code_is_refused():
    with pytest.raises(ConfigError, match="no OBIS code"):
        explain("energy")
    with pytest.raises(ConfigError, match="6 octets"):
        explain(b"12345")


def test_usual_classes_are_classes_and_units_known():
    # 8192 is the tariff plan of UNI/TS 11291, no class of the Blue Book.
    everything = [explain(bytes((a, 0, c, d, e, 255))) for a in (0, 1, 7) for c in (0, 1, 25, 43, 96) for d in range(40)
                  for e in range(12)]  # fmt: skip
    assert all(1 <= number <= 151 or number == 8192 for item in everything for number in item.classes)
    assert all(item.unit is None or item.unit.known for item in everything)


def test_importing_the_package_reads_no_tables():
    script = "import sys, cosem, cosem.obis, cosem.obis_names; print('tomllib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_examples_of_the_docs():
    page = (HERE.parent / "docs" / "obis.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \| (.*) \| (.*) \|$", page, re.MULTILINE)
    assert len(rows) >= 20
    for code, said, unit, classes in rows:
        assert docs_row(explain(code)) == (said, unit, classes), code


def docs_row(explanation: Explanation) -> tuple[str, str, str]:
    """Return an explanation as the table of examples in docs/obis.md has it."""
    symbol = "" if explanation.unit is None else explanation.unit.symbol or explanation.unit.quantity
    return f"{explanation.medium}: {explanation.words}", symbol, ", ".join(map(str, explanation.classes))


# The published codes.


def test_published_codes_are_explained(capsys):
    if not SHARED.exists():
        pytest.skip("the published octets are not at hand")
    met: Counter[Obis] = Counter()
    for line in (SHARED / "dlms.jsonl").read_text(encoding="utf-8").splitlines():
        met.update(_codes(json.loads(line)["expected"]))
    for model in (SHARED / "meters").glob("*.json"):
        document = json.loads(model.read_text(encoding="utf-8"))
        met.update(_codes(document))
        # An object list in octets: logical names are octet-strings of six (09 06).
        met.update(Obis(bytes.fromhex(name)) for name in re.findall("0906([0-9a-f]{12})", document.get("hex", "")))
    explanations = {code: explain(code) for code in sorted(met)}
    unknown = [explanation for explanation in explanations.values() if not explanation.known]
    full = 1 - len(unknown) / len(met)
    standard = sum(explanation.standard for explanation in explanations.values()) / len(met)
    seen = 1 - sum(met[explanation.obis] for explanation in unknown) / met.total()
    with capsys.disabled():
        print(
            f"\n{len(met)} published codes: {full:.1%} explained in full words ({standard:.1%} by the standard alone, "
            f"the others as a manufacturer's, utility's or country's); {seen:.1%} of {met.total()} occurrences."
        )
        print("Not explained:" if unknown else "All are explained.")
        for explanation in unknown:
            print(f"  {explanation.obis}: {explanation.words}")
    assert len(met) > 900
    assert full >= NEEDED


def _codes(value):
    """Yield the codes in a published expectation: dotted, or an octet-string of six that ends as logical names do."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "octet-string" and isinstance(item, str) and re.fullmatch("[0-9a-fA-F]{10}[fF]{2}", item):
                yield Obis(bytes.fromhex(item))
            else:
                yield from _codes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _codes(item)
    elif isinstance(value, str) and re.fullmatch(r"\d+[.-]\d+[.:]\d+\.\d+\.\d+[.*]\d+", value):
        groups = [int(number) for number in re.findall(r"\d+", value)]
        if max(groups) <= 255:
            yield Obis(bytes(groups))

"""OBIS codes are read and written in every usual form, ordered, and matched by patterns."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError
from cosem.obis import Obis, obis
from cosem.obis_pattern import ObisPattern

codes = st.binary(min_size=6, max_size=6).map(Obis)

FORMS = {
    "1-0:1.8.0*255": (1, 0, 1, 8, 0, 255),
    "1-0:1.8.0&255": (1, 0, 1, 8, 0, 255),
    "1-0:1.8.0.255": (1, 0, 1, 8, 0, 255),
    "1.0.1.8.0.255": (1, 0, 1, 8, 0, 255),
    "1-0:1.8.0": (1, 0, 1, 8, 0, 255),
    "1-0:1.8": (1, 0, 1, 8, 0, 255),
    "1.8.0": (1, 0, 1, 8, 0, 255),
    "1.8": (1, 0, 1, 8, 0, 255),
    "1.8.1*03": (1, 0, 1, 8, 1, 3),
    "1.6.1&12": (1, 0, 1, 6, 1, 12),
    "1.8*12": (1, 0, 1, 8, 0, 12),
    "2:1.8.0": (1, 2, 1, 8, 0, 255),
    "7-1:3.0.0": (7, 1, 3, 0, 0, 255),
    "F.F": (1, 0, 97, 97, 0, 255),
    "C.1.0": (1, 0, 96, 1, 0, 255),
    "P.01": (1, 0, 99, 1, 0, 255),
    "0100010800FF": (1, 0, 1, 8, 0, 255),
    "0x0100010800ff": (1, 0, 1, 8, 0, 255),
    "01 00 01 08 00 ff": (1, 0, 1, 8, 0, 255),
    "01-00-01-08-00-ff": (1, 0, 1, 8, 0, 255),
    "1.0.1.8.0*3": (1, 0, 1, 8, 0, 3),
    "  1-0:1.8.0  ": (1, 0, 1, 8, 0, 255),
}


@pytest.mark.parametrize("text", FORMS)
def test_every_usual_form_is_read(text):
    assert Obis.parse(text).groups == FORMS[text]


@given(codes)
def test_what_is_written_is_read_back(code):
    for form in ("", "full", "dotted", "reduced", "hex"):
        assert Obis.parse(format(code, form)) == code
    assert Obis.parse(str(code)) == code


def test_the_forms_in_which_a_code_is_written():
    code = Obis.parse("1.8.0")
    assert f"{code}" == str(code) == "1-0:1.8.0.255"
    assert f"{code:full}" == "1-0:1.8.0*255"
    assert f"{code:dotted}" == "1.0.1.8.0.255"
    assert f"{code:reduced}" == "1.8.0"
    assert f"{Obis.parse('0-1:24.2.1*3'):reduced}" == "0-1:24.2.1*3"
    assert f"{code:hex}" == "0100010800ff"
    assert repr(code) == "Obis('1-0:1.8.0.255')"
    with pytest.raises(ConfigError, match="not as 'morse'"):
        format(code, "morse")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1-0:1.8.256", "group E is 256, the largest is 255"),
        ("300.0.1.8.0.255", "group A is 300"),
        ("", "no OBIS code"),
        ("1", "no OBIS code"),
        ("1.2.3.4.5", "no OBIS code"),
        ("1-0:1.8.0*", "no OBIS code"),
        ("energy", "no OBIS code"),
        ("0100010800f", "no OBIS code"),
        ("01 00-01 08 00 ff", "no OBIS code"),
        ("１.8.0", "no OBIS code"),
    ],
)
def test_a_mistake_is_named_in_one_sentence(text, words):
    with pytest.raises(ConfigError, match=words) as caught:
        Obis.parse(text)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_code_or_a_config_error(text):
    try:
        code = Obis.parse(text)
    except ConfigError:
        return
    assert len(code) == 6


def test_a_code_is_its_six_octets():
    code = Obis.parse("1.8.0")
    assert code == bytes.fromhex("0100010800ff")
    assert {code: 1}[bytes.fromhex("0100010800ff")] == 1
    assert obis(code) is code
    assert obis(bytes(code)) == obis("1.8.0") == code
    with pytest.raises(ConfigError, match="6 octets, not 5"):
        Obis(b"12345")


@given(st.lists(codes))
def test_codes_are_ordered_hashed_and_kept_by_their_octets(some):
    assert sorted(some) == sorted(some, key=lambda code: code.groups)
    assert {code: code.groups for code in some} == {bytes(code): code.groups for code in some}
    for code in some:
        assert pickle.loads(pickle.dumps(code)) == code
        assert isinstance(pickle.loads(pickle.dumps(code)), Obis)


PATTERNS = [
    ("1-0:*.8.*", ["1.8.0", "1-0:98.8.255"], ["1-0:1.7.0", "1-1:1.8.0", "1-0:1.8.0*101"]),
    ("0-[1-4]:24.2.1", ["0-1:24.2.1", "0-4:24.2.1"], ["0-0:24.2.1", "0-5:24.2.1", "0-1:24.2.2"]),
    ("1-0:[1,2,5-8].8.0", ["1.8.0", "2.8.0", "6.8.0"], ["3.8.0", "9.8.0"]),
    ("1-0:1.8.1-4.*", ["1.8.1", "1.8.4*12"], ["1.8.0", "1.8.5"]),
    ("*-*:1.8.0", ["1-0:1.8.0", "7-3:1.8.0"], ["1-0:1.8.1"]),
    ("*.*.96.1.*.*", ["0-0:96.1.0", "1-1:96.1.9*4"], ["0-0:96.2.0"]),
    ("1.8.[0-63]*[0-99]", ["1.8.0*0", "1.8.63*99"], ["1.8.0", "1.8.64*1"]),
    ("1.8", ["1-0:1.8.0*255"], ["1-0:1.8.1"]),
]


@pytest.mark.parametrize(("text", "inside", "outside"), PATTERNS)
def test_a_pattern_matches_codes_that_look_alike(text, inside, outside):
    pattern = ObisPattern(text)
    codes_inside = [Obis.parse(code) for code in inside]
    codes_outside = [Obis.parse(code) for code in outside]
    assert list(pattern.filter(codes_inside + codes_outside)) == codes_inside
    assert all(code in pattern for code in codes_inside)
    assert not any(code in pattern for code in codes_outside)
    assert text not in pattern  # text is no code
    assert str(pattern) == text
    assert ObisPattern(str(pattern)) == pattern


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no pattern"),
        ("1-0:*", "no pattern"),
        ("1-0:*.8.**", "no pattern"),
        ("1-0:1.8.[4-1]", "'4-1' is no value or range"),
        ("1-0:1.8.[1,x]", "'x' is no value or range"),
        ("1-0:1.8.[]", "'' is no value or range"),
        ("1-0:1.8.256", "'256' is no value or range"),
        ("0100010800ff", "no pattern"),
    ],
)
def test_a_mistake_in_a_pattern_is_named(text, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        ObisPattern(text)


group_values = st.one_of(
    st.just("*"),
    st.integers(0, 255).map(str),
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)).map(sorted), min_size=1, max_size=3).map(
        lambda pairs: "[" + ",".join(f"{first}-{last}" for first, last in pairs) + "]"
    ),
)


@given(st.lists(group_values, min_size=6, max_size=6), codes)
def test_a_pattern_holds_what_each_of_its_groups_holds(groups, code):
    pattern = ObisPattern("{}-{}:{}.{}.{}.{}".format(*groups))

    def holds(group: str, value: int) -> bool:
        if group == "*":
            return True
        spans = [part.split("-") for part in group.strip("[]").split(",")]
        return any(int(span[0]) <= value <= int(span[-1]) for span in spans)

    assert pattern.matches(code) == all(map(holds, groups, code))
    assert ObisPattern(".".join(groups)) == pattern


@given(codes)
def test_a_code_is_the_pattern_of_itself_alone(code):
    for form in ("full", "dotted", "reduced", ""):
        assert [len(values) for values in ObisPattern(format(code, form)).values] == [1] * 6
        assert ObisPattern(format(code, form)).matches(code)


@given(st.text())
def test_any_text_is_a_pattern_or_a_config_error(text):
    try:
        pattern = ObisPattern(text)
    except ConfigError:
        return
    assert all(pattern.values)


def test_published_codes_print_as_published():
    vectors = Path(__file__).parents[2] / "shared" / "vectors" / "dlms.jsonl"
    if not vectors.exists():
        pytest.skip("the published octets are not at hand")
    cases = [json.loads(line) for line in vectors.read_text(encoding="utf-8").splitlines() if '"kind": "obis"' in line]
    assert cases
    for case in cases:
        code = Obis.parse(case["hex"])
        assert str(code) == case["expected"]["text"]
        assert list(code.groups) == case["expected"]["groups"]


@pytest.mark.parametrize("read", [Obis.parse, ObisPattern])
def test_of_a_long_text_only_the_start_is_repeated(read):
    with pytest.raises(ConfigError) as told:
        read("1" * 10_000)
    assert len(str(told.value)) < 200

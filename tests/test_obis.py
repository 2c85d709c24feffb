"""OBIS codes are read and written in every usual form, and their groups named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError
from cosem.obis import Obis, obis
from cosem.obis_names import NOT_KNOWN, describe_groups

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


GROUPS = [
    ("1-0:1.8.0", ["electricity", "no channel", "active power import", "time integral 1", "total", "current value"]),
    ("1-0:32.7.0", ["electricity", "no channel", "voltage L1", "instantaneous", "total", "current value"]),
    ("1-0:71.7.3", ["electricity", "no channel", "current L3", "instantaneous", "harmonic 3", "current value"]),
    ("1-0:2.6.2*101", ["electricity", "no channel", "active power export", "maximum 1", "rate 2", "last billing"]),
    ("0-0:1.0.0", ["abstract", "no channel", "clock", "number 0", "number 0", "current value"]),
    ("0-3:24.2.1", ["abstract", "channel 3", "M-Bus", "value", "number 1", "current value"]),
    ("0-0:43.1.0", ["abstract", "no channel", "security", "invocation counter", "number 0", "current value"]),
    ("1-0:99.1.0", ["electricity", "no channel", "profile", "load profile 1", "number 0", "current value"]),
    ("7-1:13.83.0", ["gas", "channel 1", "converter volume, forward absolute", "processing 83", "total", "current"]),
    ("6-0:10.0.0", ["heat", "no channel", "flow temperature", "processing 0", "total", "current value"]),
    ("1-65:1.8.0", ["electricity", "utility specific", "active power import", "time integral 1", "total", "current"]),
    ("1-128:200.200.200*200", ["electricity", "manufacturer specific", NOT_KNOWN, "processing", "manuf", NOT_KNOWN]),
    ("2-210:150.150.0", [NOT_KNOWN, NOT_KNOWN, "manufacturer specific", "manufacturer specific", "total", "current"]),
]


@pytest.mark.parametrize(("text", "words"), GROUPS)
def test_the_groups_are_named(text, words):
    described = describe_groups(Obis.parse(text))
    assert [letter for letter, _, _ in described] == list("ABCDEF")
    assert tuple(value for _, value, _ in described) == Obis.parse(text).groups
    for (letter, _, given_words), expected in zip(described, words, strict=True):
        assert given_words.startswith(expected), letter


@given(codes)
def test_every_group_of_every_code_has_words(code):
    assert all(words for _, _, words in describe_groups(code))


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

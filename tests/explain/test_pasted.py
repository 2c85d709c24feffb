"""Octets are found in what people paste, and where there are none it is said why."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError
from cosem.explain.pasted import Message, read_pasted
from cosem.pushes.p1 import P1Line, encode_p1, parse_p1

GET = bytes.fromhex("c001c100030100010800ff0200")
ANSWER = bytes.fromhex("c401c1000600bc614e")


@pytest.mark.parametrize(
    "text",
    [
        "c001c100030100010800ff0200",
        "C0 01 C1 00 03 01 00 01 08 00 FF 02 00",
        "c0:01:c1:00:03:01:00:01:08:00:ff:02:00",
        "0xC0, 0x01, 0xC1, 0x00,\n0x03, 0x01, 0x00, 0x01, 0x08, 0x00, 0xFF, 0x02, 0x00 # a request",
        "0000  c0 01 c1 00 03 01 00 01  ........\n0008  08 00 ff 02 00  .....",
        "00000000  c0 01 c1 00 03 01 00 01  08 00 ff 02 00           |.............|\n0000000d",
        "00000000: c001 c100 0301 0001  ........\n00000008: 0800 ff02 00  .....",
    ],
)
def test_hex_in_any_dress(text):
    assert [message.octets for message in read_pasted(text).messages] == [GET]


@given(st.binary(min_size=1, max_size=80), st.integers(1, 32))
def test_dumps_of_any_width_are_read_back(octets, width):
    width = min(width, 16)
    lines = [f"{at:04x}  {octets[at : at + width].hex(' ')}" for at in range(0, len(octets), width)]
    if len(lines) > 1:
        assert read_pasted("\n".join(lines)).messages[0].octets == octets


def test_base64():
    octets = bytes(range(250, 256)) * 4
    assert read_pasted(base64.b64encode(octets).decode()).messages == (Message(octets),)
    assert read_pasted(base64.urlsafe_b64encode(octets).decode()).messages == (Message(octets),)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_p1_telegram_survives_the_line_ends_of_clipboards(end):
    telegram = encode_p1("CSM5TEST", [P1Line(code, ("1*kWh",)) for code in ()])
    text = telegram.decode().replace("\r\n", end)
    found = read_pasted("  \n" + text.strip() + "  ").messages[0].octets
    assert found == telegram
    assert parse_p1(found).crc_ok


@pytest.mark.parametrize(
    "text",
    [
        f"  0.012 > {GET.hex()}\n  0.040 < {ANSWER.hex()}",
        f"[12:00:01.5] TX: {GET.hex(' ')}\n[12:00:01.9] RX: {ANSWER.hex(' ')}",
        f"-> {GET.hex()}\n<- {ANSWER.hex()}",
        f"2026-11-01 00:00:00 sent {GET.hex()}\n2026-11-01 00:00:01 received {ANSWER.hex()}",
        f'{{"at": 0.1, "direction": ">", "octets": "{GET.hex()}"}}\n'
        f'{{"at": 0.2, "direction": "<", "octets": "{ANSWER.hex()}", "layers": []}}',
        f"> {GET[:5].hex()}\n{GET[5:].hex()}\n< {ANSWER.hex()}",
    ],
)
def test_traces_with_directions(text):
    pasted = read_pasted(text)
    assert pasted.is_trace
    assert [(item.direction, item.octets) for item in pasted.messages] == [(">", GET), ("<", ANSWER)]
    assert pasted.passed == 0


def test_lines_of_a_log_without_octets_are_counted_not_taken():
    pasted = read_pasted(f"connecting\n0.1 > {GET.hex()}\nthe meter thinks\n0.2 < {ANSWER.hex()}")
    assert (len(pasted.messages), pasted.passed) == (2, 2)
    assert [item.at for item in pasted.messages] == ["0.1", "0.2"]


def test_lines_that_may_be_telegrams_each_are_kept_apart_too():
    pasted = read_pasted(f"{GET.hex()}\n{ANSWER.hex()}")
    assert pasted.messages[0].octets == GET + ANSWER
    assert pasted.lines == (GET, ANSWER)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing to explain"),
        (" \n ", "nothing to explain"),
        ("c001\nc1 0z", "'z' in line 2, sign 5"),
        ("\u202ec001", r"U\+202E"),
        ("abc", "3 hex digits"),
        ("# nothing", "no hex digits"),
        ("00\n" * 20_001, "more than 20000 lines"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, why):
    with pytest.raises(ConfigError, match=why):
        read_pasted(text)


@given(st.text(max_size=300))
def test_any_text_is_octets_or_refused(text):
    try:
        pasted = read_pasted(text)
    except ConfigError as refused:
        said = str(refused)
    else:
        said = "octets" if pasted.messages else ""
    assert said
    assert said.isprintable()

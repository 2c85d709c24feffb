"""Sheets: every octet of an explanation has its place, errors stand where decoding stopped, secrets are not in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError
from cosem.explain.fields import What
from cosem.explain.keyring import KeyEntry, Keyring
from cosem.explain.mbus import one_key
from cosem.explain.pasted import Message
from cosem.explain.sheets import MAX_OCTETS, explain_messages, explain_text
from cosem.headend.web.explain_examples import EXAMPLES
from cosem.link.hdlc.frame import build
from cosem.security.gcm import protect
from cosem.simulator.meter import DEMO_KEYS

DATA = Path(__file__).parents[1] / "data"
CASES = [json.loads(line) for line in (DATA / "telegrams.jsonl").read_text(encoding="ascii").splitlines()]
METERS = [json.loads(line) for line in (DATA / "mbus_telegrams.jsonl").read_text(encoding="utf-8").splitlines()]
TITLE = b"CSM\x00\x00\x00\x00\x01"
PLAIN = bytes.fromhex("c401c1000600bc614e")
GET = bytes.fromhex("c001c100030100010800ff0200")


def keyring() -> Keyring:
    return Keyring((KeyEntry("demo", DEMO_KEYS, system_title=bytes.fromhex("4d4d4d0000bc614e")),))


def glo(plain: bytes, counter: int = 7, tag: int = 0xDB) -> bytes:
    content = protect(
        DEMO_KEYS.global_unicast_encryption_key, DEMO_KEYS.authentication_key, TITLE, counter, 0x30, plain
    )
    return bytes((tag, len(TITLE))) + TITLE + bytes((len(content),)) + content


def wrapper(apdu: bytes) -> bytes:
    return bytes.fromhex("000100010010") + len(apdu).to_bytes(2, "big") + apdu


def one(text: str, **options):
    (part,) = explain_text(text, **options).parts
    return part.sheet


def painted(sheet, number: int = 0) -> list[str]:
    """Return for each octet of a buffer what the innermost place says it is."""
    found = [""] * len(sheet.buffers[number].octets)
    for place in sheet.walk():
        if place.buffer == number and place.painted:
            found[place.start : place.end] = [str(place.what)] * (place.end - place.start)
    return found


def check(sheet) -> None:
    for place in sheet.walk():
        octets = sheet.buffers[place.buffer].octets
        assert 0 <= place.start <= place.end <= len(octets), place
        assert 0 <= place.head <= place.end - place.start
        assert place.words.isprintable()
        for inner in place.inner:
            if inner.buffer == place.buffer and place.painted:
                assert place.start <= inner.start
                assert inner.end <= place.end
    if sheet.error_at is not None:
        number, at = sheet.error_at
        assert 0 <= at <= len(sheet.buffers[number].octets)
    assert bool(sheet.error) is not sheet.complete or sheet.error


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_every_octet_of_a_telegram_has_its_place(case):
    for keys in (keyring(), Keyring()):
        for part in explain_text(case["octets"], keyring=keys).parts:
            check(part.sheet)
            assert part.sheet.complete
            for number, _ in enumerate(part.sheet.buffers):
                assert "" not in painted(part.sheet, number)


@pytest.mark.parametrize("case", METERS, ids=[case["name"] for case in METERS])
def test_every_octet_of_a_meters_telegram_has_its_place(case):
    key = bytes.fromhex(case.get("key") or "00" * 16)
    kind = "mbus-message" if case["link"] not in ("wired", "wireless") else "mbus-telegrams"
    for part in explain_text(case["frame"], kind=kind, meters=one_key(key)).parts:
        check(part.sheet)
        if part.sheet.complete and part.sheet.places:
            assert "" not in painted(part.sheet)


def test_a_frame_field_by_field():
    frame = build(b"\x03", b"\x21", 0x32, b"\xe6\xe6\x00" + GET)
    sheet = one(frame.hex())
    named = {place.name: frame[place.start : place.end].hex() for place in sheet.walk()}
    assert named["format and length"] == "a019"
    assert (named["destination"], named["source"], named["control"]) == ("03", "21", "32")
    assert (named["LLC header"], named["invoke id"]) == ("e6e600", "c1")
    assert (named["class"], named["logical name"], named["attribute"]) == ("0003", "0100010800ff", "02")
    assert named["frame check"] == frame[-3:-1].hex()
    layers = [place.name for place in sheet.walk() if place.layer]
    assert layers == ["hdlc", "llc", "get-request-normal"]
    assert "active energy import" in next(place.words for place in sheet.walk() if place.name == "get-request-normal")


def test_what_was_enciphered_stands_in_a_buffer_of_its_own():
    sheet = one(wrapper(glo(PLAIN)).hex(), keyring=keyring())
    given, opened = sheet.buffers
    assert (given.origin.value, opened.origin.value) == ("as given", "deciphered")
    assert opened.octets == PLAIN
    value = next(place for place in sheet.walk() if place.name == "value")
    assert (value.buffer, value.start, value.end, value.head) == (1, 4, 9, 1)
    assert value.words == "double-long-unsigned 12345678"
    sealed = next(place for place in sheet.walk() if place.what is What.SEALED)
    assert (sealed.buffer, sealed.end - sealed.start) == (0, len(PLAIN))
    assert next(place for place in sheet.walk() if place.state).state == "verified"
    shut = one(wrapper(glo(PLAIN)).hex())
    assert len(shut.buffers) == 1
    assert shut.sealed
    assert shut.complete


def test_a_wrong_tag_is_told_and_the_fields_stay_readable():
    octets = bytearray(wrapper(glo(PLAIN)))
    octets[-1] ^= 1
    sheet = one(octets.hex(), keyring=keyring())
    assert "authentication tag is wrong" in sheet.error
    assert next(place for place in sheet.walk() if place.state).state == "not genuine"
    assert What.UNKNOWN not in {place.what for place in sheet.walk()}
    assert painted(sheet)[-12:] == ["check"] * 12


def test_decoding_stops_at_an_octet_and_what_was_before_it_is_there():
    sheet = one(wrapper(PLAIN[:-2]).hex())
    assert sheet.error_at == (0, 8 + 4)
    assert painted(sheet)[:8] == ["frame"] * 2 + ["address"] * 4 + ["frame"] * 2
    assert painted(sheet)[8:] == ["service"] * 4 + ["unknown"] * 3


def test_elements_in_front_of_the_one_that_is_cut_are_there():
    apdu = bytes.fromhex("c401c10002030600bc614e02020f00161e09")
    sheet = one(wrapper(apdu).hex())
    assert sheet.error_at == (0, 8 + len(apdu))
    words = [place.words for place in sheet.walk() if place.name == "value"]
    assert words == ["structure of 3", "double-long-unsigned 12345678", "structure of 2", "integer 0", "enum 30"]
    assert painted(sheet)[8:] == ["service"] * 4 + ["value"] * 13 + ["unknown"]


@given(st.integers(100, 330))
def test_a_value_that_is_cut_anywhere_is_there_up_to_the_cut(size):
    """What is read of a cut value is what is read of the whole one."""
    case = next(case for case in CASES if case["name"].startswith("push-telegram 8 "))
    whole = one(case["octets"])
    cut = one(case["octets"][: 2 * size])
    known = [(place.start, place.words) for place in whole.walk() if place.name == "value"]
    read = [(place.start, place.words) for place in cut.walk() if place.name == "value"]
    assert read
    assert read == known[: len(read)]
    check(cut)


def test_a_frame_with_a_wrong_check_is_told_beside_the_good_ones():
    good = build(b"\x03", b"\x21", 0x32, b"\xe6\xe6\x00" + GET)
    bad = bytearray(good)
    bad[14] ^= 0x80
    sheet = one((good + bytes(bad) + good).hex())
    assert "check sequence is wrong" in sheet.error
    assert painted(sheet)[: len(good)] == painted(one(good.hex()))
    assert len([place for place in sheet.places if place.layer]) == 2
    assert "unknown" in painted(sheet)[len(good) :]


def test_a_session_cut_anywhere_is_put_together_again():
    inside = b"\xe6\xe7\x00" + bytes.fromhex("c401c1000930") + bytes(range(48))
    first = build(b"\x21", b"\x03", 0x30, inside[:20], segmented=True)
    ready = build(b"\x03", b"\x21", 0x31)
    last = build(b"\x21", b"\x03", 0x52, inside[20:])
    ask = build(b"\x03", b"\x21", 0x32, b"\xe6\xe6\x00" + GET)
    messages = [
        Message(ask[:7], ">", "1"), Message(ask[7:], ">", "2"), Message(first[:9], "<", "3"),
        Message(first[9:], "<", "4"), Message(ready, ">", "5"), Message(last, "<", "6"),
    ]  # fmt: skip
    parts = explain_messages(messages)
    assert [(part.direction, part.at) for part in parts] == [(">", "2"), ("<", "4"), (">", "5"), ("<", "6")]
    assert all(part.sheet.complete for part in parts)
    joined = parts[-1].sheet
    assert joined.buffers[1].origin.value == "put together"
    assert joined.buffers[1].octets == inside
    assert "get-request-normal: active energy import" in parts[0].title


def test_answers_are_opened_with_the_titles_that_the_session_told():
    # The keys know no title: the AARQ and the AARE say them.
    session = EXAMPLES["session"]
    parts = explain_text(session.text, keyring=Keyring((KeyEntry("demo", DEMO_KEYS),))).parts
    assert [part.direction for part in parts] == [">", "<"] * 4
    assert all(part.sheet.complete and not part.sheet.sealed for part in parts)
    assert parts[5].title.endswith("get-response-normal: double-long-unsigned 11062")
    shut = explain_text(session.text).parts
    assert all(part.sheet.sealed for part in shut)


def test_one_telegram_in_each_line():
    parts = explain_text(f"{GET.hex()}\n{PLAIN.hex()}").parts
    assert [part.title.split(":")[0] for part in parts] == ["get-request-normal", "get-response-normal"]


def test_passwords_and_keys_of_a_session_are_not_in_its_sheets():
    secret = b"s3cret-password"
    dedicated = bytes(range(0x60, 0x70))
    aarq = bytes.fromhex("a109060760857405080101") + b"\x8a\x02\x07\x80" + bytes.fromhex("8b0760857405080201")
    aarq += b"\xac" + bytes((len(secret) + 2, 0x80, len(secret))) + secret
    initiate = b"\x01\x01\x10" + dedicated + bytes.fromhex("0000065f1f0400001e1dffff")
    aarq += b"\xbe" + bytes((len(initiate) + 2, 0x04, len(initiate))) + initiate
    changed = b"\xc3\x01\xc1\x00\x0f\x00\x00\x28\x00\x00\xff\x02\x01\x09\x08new-word"
    messages = [
        Message(wrapper(b"\x60" + bytes((len(aarq),)) + aarq), ">"), Message(wrapper(changed), ">"),
        Message(wrapper(glo(b"\xc4\x01\xc1\x00\x09\x10" + DEMO_KEYS.authentication_key)), "<"),
    ]  # fmt: skip
    shown = explain_messages(messages, keyring=keyring())
    hidden = explain_messages(messages, keyring=keyring(), secrets=[DEMO_KEYS.authentication_key])

    def said(parts) -> str:
        found = []
        for part in parts:
            found += [part.title, part.sheet.error, *part.sheet.readings]
            found += [str((place.name, place.words, place.facts)) for place in part.sheet.walk()]
            for buffer in part.sheet.buffers:
                seen = bytes(0 if at in buffer.hidden else octet for at, octet in enumerate(buffer.octets))
                found += [seen.hex(), seen.decode("latin-1")]
        return " ".join(found)

    for word in (secret, dedicated, b"new-word", DEMO_KEYS.authentication_key):
        assert word.hex() in said(shown)
        assert word.hex() not in said(hidden)
        assert word.decode("latin-1") not in said(hidden)
    # What is no secret stays.
    assert "aarq" in hidden[0].title
    assert hidden[1].sheet.complete


@pytest.mark.parametrize("text", ["00" * (MAX_OCTETS + 1), "> " + "00" * (MAX_OCTETS + 1), "T1;" * MAX_OCTETS])
def test_more_octets_than_are_explained_at_once_are_refused(text):
    with pytest.raises(ConfigError, match="too many"):
        explain_text(text)


@given(st.binary(min_size=1, max_size=200))
def test_any_octets_have_a_sheet(octets):
    for part in explain_text(octets.hex(), keyring=keyring()).parts:
        check(part.sheet)
        assert part.title


@given(st.sampled_from(CASES), st.data())
def test_altered_telegrams_have_a_sheet(case, data):
    octets = bytearray(bytes.fromhex(case["octets"]))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = octets[: data.draw(st.integers(1, len(octets)))]
    for part in explain_text(bytes(cut).hex(), keyring=keyring()).parts:
        check(part.sheet)


@given(st.lists(st.tuples(st.sampled_from([">", "<", ""]), st.binary(max_size=60)), min_size=1, max_size=8))
def test_any_session_has_sheets(messages):
    parts = explain_messages([Message(octets, way) for way, octets in messages], keyring=keyring(), secrets=[b"abcd"])
    for part in parts:
        check(part.sheet)

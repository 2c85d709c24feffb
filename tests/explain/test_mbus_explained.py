"""M-Bus telegrams explained: what people paste, capture and receive becomes headers, records, profiles and reports."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError
from cosem.explain import explain
from cosem.explain.keyring import Keyring
from cosem.explain.mbus import (
    MBusExplainer,
    by_number,
    explain_answer,
    explain_application,
    explain_mbus,
    keyring_of,
    no_keys,
    one_key,
)
from cosem.explain.mbus_octets import rows
from cosem.link.mbus_frame import build, segment
from cosem.mbus.afl import AuthenticationLayer, message_control
from cosem.mbus.ci import HeaderKind
from cosem.mbus.compact import encode_compact, encode_format, headers_of
from cosem.mbus.dlms import Carried, application_of
from cosem.mbus.header import Configuration, Header
from cosem.mbus.keys import KeyStore
from cosem.mbus.record import decode_records
from cosem.mbus.relays import Received, Relay, format_amb8465, format_cul, format_im871a, format_rtl_wmbus
from cosem.mbus.telegram import Telegram, decode, encode, encode_fragments
from cosem.mbus.wireless import Format
from support.mbus_telegrams import KEY, METER, OTHER_KEY, lines, store

LINES = lines()
RECORDS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "mbus_records.jsonl").read_text("utf-8").splitlines()
]
LONG_HEADER = bytes.fromhex("78563412931533032A000000")
WATER = bytes.fromhex("1E44AE4C9956341268077A360010002F2F0413181E0000023B00002F2F2F2F")
HEADER = Header(HeaderKind.LONG, METER, 42, 0, Configuration.of(0))
PUSH = bytes.fromhex("0f00000000000202" + "0906010001080000" + "0600000016")


def frame_of(records: bytes, ci: int = 0x72, header: bytes = LONG_HEADER) -> bytes:
    return build(0x08, 1, ci, header + records)


def only(source: Any, **settings: Any) -> dict[str, Any]:
    answer = explain_mbus(source, **settings)
    assert len(answer.frames) == 1
    document: dict[str, Any] = answer.to_json()
    json.dumps(document, allow_nan=False)
    return document


@pytest.mark.parametrize("line", LINES, ids=[line["name"] for line in LINES])
def test_telegrams_of_all_kinds_say_whose_they_are(line: dict[str, Any]) -> None:
    keys = one_key(bytes.fromhex(line["key"])) if "key" in line else no_keys
    document = only(line["frame"], keys=keys)
    header = document["header"]
    assert header["identification"] == line["number"]
    assert (header["version"], header["medium"]) == (line["version"], line["medium"])
    assert (header["access_number"], header["security_mode"]) == (line["access_number"], line["security_mode"])
    assert (document["link"], document["verified"]) == (line["link"], line["verified"])


@pytest.mark.parametrize("line", RECORDS, ids=[line["name"] for line in RECORDS])
def test_records_of_real_meters_in_a_frame(line: dict[str, Any]) -> None:
    document = only(frame_of(bytes.fromhex(line["octets"])))
    assert document["header"] == {
        "manufacturer": "ELS",
        "identification": "12345678",
        "version": 0x33,
        "medium": 3,
        "medium_name": "gas",
        "access_number": 42,
        "status": 0,
        "status_words": [],
        "security_mode": 0,
    }
    for found, said in zip(document["records"], line["records"], strict=True):
        assert {name: found[name] for name in said} == said


@pytest.mark.parametrize("line", [*RECORDS[:3], *LINES], ids=lambda line: line["name"])
def test_every_octet_has_a_row(line: dict[str, Any]) -> None:
    octets = bytes.fromhex(line["frame"]) if "frame" in line else frame_of(bytes.fromhex(line["octets"]))
    for keys in (no_keys, one_key(bytes.fromhex(line["key"])) if "key" in line else no_keys):
        (said,) = explain_mbus(octets, keys=keys).frames
        found = rows(said)
        assert {octet for row in found for octet in range(row.offset, row.offset + row.length)} == set(
            range(len(octets))
        )
        assert said.telegram is not None
        assert b"".join(row.octets for row in found) == said.telegram.octets


def test_rows_name_the_parts_of_records() -> None:
    records = bytes.fromhex("2f0c14270485022f0fAABB")
    (said,) = explain_mbus(frame_of(records)).frames
    inside = [(row.name, row.octets.hex(), row.text) for row in rows(said) if row.layer == "apl"]
    assert inside == [
        ("filler", "2f", "idle"),
        ("record 0 DIB", "0c", "bcd 8, instantaneous"),
        ("record 0 VIB", "14", "volume in m³ x 10^-2"),
        ("record 0 data", "27048502", "28504.27 m³"),
        ("filler", "2f", "idle"),
        ("DIF", "0f", "data of the manufacturer"),
        ("manufacturer data", "aabb", ""),
    ]
    (cut,) = explain_mbus(frame_of(bytes.fromhex("0c14270485020413"))).frames
    assert cut.error is not None
    assert [row.name for row in rows(cut)][-3:] == ["not understood", "checksum", "stop"]
    whole = explain_mbus(frame_of(records)).to_json(octets=True)["octets"]
    assert whole[0] == {"layer": "mbus-link", "name": "start", "offset": 0, "length": 1, "octets": "68", "text": ""}


def test_answers_of_several_telegrams_are_one() -> None:
    parts = [frame_of(bytes.fromhex("04130100000" + "01f")), frame_of(bytes.fromhex("0413020000000f01"))]
    other = frame_of(bytes.fromhex("041303000000"), header=bytes.fromhex("79563412931533032A000000"))
    answer = explain_mbus(b"".join([*parts, other]))
    first, second = answer.to_json()["frames"]
    assert [record["value"] for record in first["records"]] == ["0.001", "0.002"]
    assert (first["telegram_count"], first["manufacturer_data"], "more_follows" in first) == (2, "01", False)
    assert [record["value"] for record in second["records"]] == ["0.003"]
    alone = only(parts[0])
    assert alone["more_follows"] is True
    # Of another meter: no part of this answer.
    assert len(explain_mbus(parts[0] + other).frames) == 2


def test_what_a_bus_answered_becomes_records() -> None:
    said = explain_answer(
        [(0x72, LONG_HEADER + bytes.fromhex("0413010000001f")), (0x78, bytes.fromhex("041302000000"))]
    )
    assert [str(record.value) for record in said.records.records] == ["0.001", "0.002"]
    assert said.header()["identification"] == "12345678"
    protected = encode(Telegram.on_wire(8, 1, 0x72, bytes.fromhex("2f2f0413010000000000000000000000"),
                                        HEADER._replace(configuration=Configuration.of(5))), keys=store())  # fmt: skip
    said = explain_answer([(0x72, protected[7:-2])], keys=by_number({"12345678": KEY}))
    assert str(said.records.records[0].value) == "0.001"
    # A short header does not say whose it is: it is that of who was asked.
    short = (0x7A, bytes.fromhex("2a000000") + bytes.fromhex("041301000000"))
    assert explain_answer([short]).header()["identification"] is None
    assert explain_answer([short], meter=METER).address == METER
    with pytest.raises(DecodeError):
        explain_answer([])


def test_compact_frames_take_the_headers_of_full_and_of_format_frames() -> None:
    records = decode_records(bytes.fromhex("0413010000000c1427048502"))
    compact = build(0x08, 1, 0x79, encode_compact(records))
    formats = build(0x08, 1, 0x69, encode_format(headers_of(records)))
    full = frame_of(bytes.fromhex("0413090000000c1400000000"))
    for before in (formats, full):
        last = explain_mbus(before + compact).to_json()["frames"][1]
        assert [record["value"] for record in last["records"]] == ["0.001", "28504.27"]
    alone = only(compact)
    assert ("error" in alone, alone["records"]) == (False, [])
    assert alone["compact"]["data"] == "0100000027048502"
    # Headers of another meter with the same signature do not pass: the CRC is over the values too.
    altered = build(0x08, 1, 0x79, encode_compact(records)[:-1] + b"\x7f")
    assert "CRC is wrong" in explain_mbus(formats + altered).to_json()["error"]["what"]


def test_fragments_and_pieces_are_put_together() -> None:
    records = bytes.fromhex("041301000000") * 20
    afl = AuthenticationLayer(0, False, message_control(8, length=True), None, 7)
    telegram = Telegram.on_air(0x44, METER, 0x72, records, HEADER, afl=afl)
    frames = encode_fragments(telegram, 60, keys=store())
    answer = explain_mbus(b"".join(frames), keys=one_key(KEY))
    *begun, whole = answer.to_json()["frames"]
    assert answer.ok
    assert {frame["waits_for"] for frame in begun} == {"fragments"}
    assert (len(whole["records"]), whole["verified"]) == (20, True)
    cut = explain_mbus(b"".join(frames[:-1]), keys=one_key(KEY)).to_json()
    assert cut["error"]["what"] == "fragments are still missing"
    pieces = segment(PUSH, 1, 0x67, size=12)
    push = explain_mbus(b"".join(pieces)).to_json()["frames"][-1]
    assert push["layers"][0]["layer"] == "data-notification"
    assert push["value"] == {"structure": [{"octet-string": "010001080000"}, {"double-long-unsigned": 22}]}
    assert only(pieces[0])["error"]["layer"] == "dlms"


def test_an_apdu_behind_a_header() -> None:
    telegram = Telegram.on_wire(8, 1, 0x7C, application_of(Carried(1, 0x67, PUSH)), HEADER)
    document = only(encode(telegram), keyring=keyring_of(KEY))
    assert document["dlms"] == {"stsap": 1, "dtsap": 0x67}
    assert [layer["layer"] for layer in document["layers"]] == ["data-notification"]
    broken = encode(telegram._replace(application=b"\x01\x67\x0f\x00"))
    assert only(broken)["error"]["layer"] == "apdu"


def test_reports_and_the_fixed_structure() -> None:
    assert only(build(8, 1, 0x70, b"\x08"))["application_error"]["code"] == 8
    assert only(build(8, 1, 0x70, b""))["application_error"] == {"code": None, "words": "unspecified error"}
    assert only(build(8, 1, 0x71, b"\x05"))["alarm"] == {"state": "05", "bits": [0, 2]}
    fixed = only(build(8, 5, 0x73, bytes.fromhex("78563412 0A 00 E97E 01000000 35010000")))
    assert (fixed["header"]["identification"], fixed["header"]["medium_name"]) == ("12345678", "water")
    assert [record["value"] for record in fixed["records"]] == ["0.001", "0.135"]
    assert only(build(0x53, 0xFD, 0x52, bytes.fromhex("78563412ffffffff")))["application"] == "78563412ffffffff"


def test_profiles_are_series() -> None:
    # The value and its time, and three differences of a month each.
    compact = bytes.fromhex("0413640000000" + "46d0d0bcd138d00931e" + "08" + "62" + "01" + "0a0014001e00")
    document = only(frame_of(compact))
    (series,) = document["series"]
    assert (series["quantity"], series["unit"]) == ("volume", "m³")
    assert [point["value"] for point in series["points"]] == ["0.100", "0.110", "0.130", "0.160"]
    # Values that differ in the storage number alone; two of them are no profile yet.
    values = [bytes((0x84, number, 0x13)) + number.to_bytes(4, "little") for number in range(1, 4)]
    (standard,) = only(frame_of(b"".join(values)))["series"]
    assert [(point["storage"], point["value"]) for point in standard["points"]] == [
        (2, "0.001"), (4, "0.002"), (6, "0.003"),
    ]  # fmt: skip
    assert "series" not in only(frame_of(b"".join(values[:2])))


def test_keys_belong_to_meters_and_are_never_shown() -> None:
    (line,) = [line for line in LINES if line["name"] == "gas meter, mode 5, two blocks"]
    shut = only(line["frame"], keys=by_number({"99999999": KEY}))
    assert (shut["state"], shut["records"], "error" in shut) == ("sealed", [], False)
    opened = only(line["frame"], keys=by_number({"12345678": KEY}))
    assert opened["records"][0]["value"] == "28504.27"
    wrong = only(line["frame"], keys=one_key(OTHER_KEY))
    assert wrong["header"]["identification"] == "12345678"
    assert wrong["records"] == []
    assert OTHER_KEY.hex() not in json.dumps(wrong)
    # A meter that has a key is not believed in clear.
    assert only(WATER, keys=one_key(KEY))["error"]["layer"] == "tpl"
    plain = bytearray(bytes.fromhex(line["frame"]))
    plain[15:] = bytes.fromhex(line["application"])
    assert only(bytes(plain))["state"] == "sealed"
    said = only(bytes(plain), already_decrypted=True)
    assert (said["state"], said["records"][0]["value"]) == ("already decrypted", "28504.27")


def test_repetitions_are_refused_where_somebody_remembers() -> None:
    (line,) = [line for line in LINES if line["name"] == "gas meter, mode 5, two blocks"]
    item = Received(bytes.fromhex(line["frame"]), Relay.HEX)
    keys = KeyStore(ask=one_key(KEY))
    explainer = MBusExplainer(store=keys)
    assert explainer.take(item).error is None
    repeated = explainer.take(item)
    assert repeated.error is not None
    assert keys.failures["replay"] == 1
    assert explain_mbus([item, item], keys=one_key(KEY)).ok


def test_relays_and_dongles() -> None:
    air = decode(WATER)
    with_crcs = {form: encode(air._replace(link=air.link._replace(format=form))) for form in (Format.A, Format.B)}  # type: ignore[union-attr]
    when = datetime(2024, 1, 2, 3, 4, 5)
    texts = [
        WATER.hex(" "),
        f"0x{WATER.hex()}",
        format_rtl_wmbus(WATER, "T1", when, 73, "12345699"),
        format_cul(with_crcs[Format.A], Format.A, -61),
        format_cul(with_crcs[Format.B], Format.B, -61),
        f"b{with_crcs[Format.A].hex()}",
        with_crcs[Format.A].hex(),
        with_crcs[Format.B].hex(),
        format_im871a(WATER, ticks=5, level=90).hex(),
        format_amb8465(WATER, level=40).hex(),
        format_amb8465(WATER).hex(),
    ]
    for text in texts:
        for source in (text, text.encode()):
            document = only(source)
            assert document["header"]["identification"] == "12345699", text
            assert [record["value"] for record in document["records"]] == ["7.704", "0.000"], text
    assert only(texts[2])["received"] == {
        "relay": "rtl-wmbus", "level": 73, "time": "2024-01-02T03:04:05", "mode": "T1",
    }  # fmt: skip
    assert only(texts[3])["received"]["rssi"] == -61
    assert only(bytes.fromhex(texts[8]))["received"]["relay"] == "iM871A"
    everything = explain_mbus("\n".join(texts))
    assert everything.ok
    assert len(everything.frames) == len(texts)


def test_a_dump_over_many_lines_and_captures_with_noise() -> None:
    octets = frame_of(bytes.fromhex("041301000000"))
    dump = "\n".join(octets[at : at + 8].hex(" ") for at in range(0, len(octets), 8))
    assert only(f"# a dump\n{dump}\n")["records"][0]["value"] == "0.001"
    wire = bytes.fromhex("105b015c16") + octets + b"\xe5"
    first, second, third = explain_mbus(wire).to_json()["frames"]
    assert first["link_frame"] == {"kind": "short", "c": 0x5B, "c_name": "REQ_UD2", "a": 1}
    assert second["records"][0]["value"] == "0.001"
    assert third["link_frame"] == {"kind": "acknowledge"}
    damaged = bytearray(octets)
    damaged[20] ^= 1
    answer = explain_mbus(bytes(damaged) + octets)
    assert [frame.error is None for frame in answer.frames] == [False, True]
    assert answer.to_json()["error"]["layer"] == "mbus-link"
    for nothing in ("", "# nothing", b""):
        assert explain_mbus(nothing).to_json()["error"]["layer"] == "input"
    assert only("T1;0;0;x;1;1;1;0x00")["error"]["layer"] == "input"
    assert only("abc")["error"]["what"] == "an odd number of hex digits"


def test_messages_and_records_without_a_frame() -> None:
    message = explain_application("7a0100000002 02d204 02 152e16")
    assert message.to_json()["header"]["access_number"] == 1
    alone = explain_application(b"\x04\x13\x01\0\0\0", records_alone=True)
    assert alone.to_json()["records"][0]["value"] == "0.001"
    assert not explain_application("04", records_alone=True).ok
    assert not explain_application("zz").ok
    assert not explain_application("ff").ok


def test_the_general_explainer_knows_ordinary_meters() -> None:
    octets = frame_of(bytes.fromhex("041301000000"))
    layers = explain(octets).to_json()["layers"]
    assert [layer["layer"] for layer in layers] == ["mbus-link", "mbus-transport", "mbus-application"]
    assert layers[1]["identification"] == "12345678"
    assert layers[2]["records"][0]["value"] == "0.001"
    air = explain(WATER).to_json()
    assert [layer["layer"] for layer in air["layers"]] == ["wmbus-link", "mbus-transport", "mbus-application"]
    assert "error" not in air
    wrong = explain(frame_of(b"\x04\x13")).to_json()
    assert (wrong["error"]["layer"], wrong["layers"][1]["layer"]) == ("mbus-application", "mbus-transport")
    protected = explain(bytes.fromhex(LINES[6]["frame"])).to_json()
    assert "cosem mbus decode" in protected["layers"][-1]["note"]
    opened = explain(bytes.fromhex(LINES[6]["frame"]), keyring=Keyring(meters={"12345678": KEY})).to_json()
    assert (opened["layers"][-1]["verified"], opened["layers"][-1]["records"][0]["value"]) == (True, "28504.27")
    assert KEY.hex() not in repr(Keyring(meters={"12345678": KEY}))
    behind = encode(Telegram.on_wire(8, 1, 0x7C, application_of(Carried(1, 0x67, PUSH)), HEADER))
    answer = explain(behind)
    assert [layer.name for layer in answer.frames[0].layers] == ["mbus-link", "mbus-transport", "data-notification"]
    assert answer.frames[0].value is not None


@given(st.binary(max_size=300) | st.sampled_from([bytes.fromhex(line["frame"]) for line in LINES]), st.data())
def test_any_octets_are_a_document_or_one_declared_error(octets: bytes, data: st.DataObject) -> None:
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(0, 3)) if octets else 0):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    source = bytes(changed) if data.draw(st.booleans()) else bytes(changed).hex()
    answer = explain_mbus(source, keys=one_key(KEY), already_decrypted=data.draw(st.booleans()))
    text = json.dumps(answer.to_json(octets=True), allow_nan=False)
    assert answer.ok is ("error" not in json.loads(text))
    assert KEY.hex() not in text


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_one_declared_error(text: str) -> None:
    json.dumps(explain_mbus(text).to_json(), allow_nan=False)

"""`cosem decode`, `cosem obis` and `cosem class` as a script meets them: output, errors, exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cosem.cli.app import run
from cosem.obis import Obis
from cosem.pushes.p1 import P1Line, encode_p1

EK = "000102030405060708090A0B0C0D0E0F"
AK = "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"
TITLE = "4D4D4D0000BC614E"
GLO_GET = "c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
"""A GET request for the clock under the example keys above, authenticated and encrypted."""


def cosem(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process and return exit status, output and errors."""
    with pytest.raises(SystemExit) as exit_:
        run(list(arguments))
    captured = capsys.readouterr()
    return int(exit_.value.code or 0), captured.out, captured.err


def decode(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    status, out, _ = cosem(capsys, "decode", "--json", *arguments)
    return status, json.loads(out)


def key_file(tmp_path: Path, **changes: str) -> str:
    lines = {"system_title": TITLE, "global_unicast_encryption_key": EK, "authentication_key": AK} | changes
    path = tmp_path / "keys.toml"
    text = "\n".join(
        f'{name} = "{value}"' if value != "false" else f"{name} = false" for name, value in lines.items() if value
    )
    path.write_text(f"[meter]\n{text}\n", encoding="utf-8")
    return str(path)


def test_a_bare_value_has_no_layers(capsys: pytest.CaptureFixture[str]) -> None:
    assert decode(capsys, "06 00 00 16 dc") == (0, {"layers": [], "value": {"double-long-unsigned": 5852}})


def test_a_response_names_its_service_and_value(capsys: pytest.CaptureFixture[str]) -> None:
    status, answer = decode(capsys, "c401c100 0600000100".replace(" ", ""))
    assert status == 0
    assert answer["layers"][0]["layer"] == "get-response-normal"
    assert answer["layers"][0]["offset"] == 0
    assert answer["layers"][0]["length"] == 9
    assert answer["value"] == {"double-long-unsigned": 256}


def test_octets_that_end_too_early_say_where(capsys: pytest.CaptureFixture[str]) -> None:
    status, answer = decode(capsys, "--as", "apdu", "c401c1000600")
    assert status == 1
    assert answer["error"]["layer"] == "apdu"
    assert answer["error"]["offset"] == 4
    assert answer["layers"] == []


def test_a_protected_request_opens_with_its_keys(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, answer = decode(capsys, GLO_GET, "--keys", key_file(tmp_path))
    assert status == 0
    outer, inner = answer["layers"]
    assert (outer["layer"], outer["verified"], outer["invocation_counter"]) == ("glo-get-request", True, 0x01234567)
    assert (inner["layer"], inner["class"], inner["obis"]) == ("get-request-normal", 8, "0-0:1.0.0.255")


def test_without_keys_the_header_is_explained_and_nothing_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    status, answer = decode(capsys, GLO_GET)
    assert status == 0
    assert [layer["layer"] for layer in answer["layers"]] == ["glo-get-request"]
    assert answer["layers"][0]["verified"] is None
    assert answer["value"] is None


def test_a_wrong_key_is_told_and_nothing_is_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    keys = key_file(tmp_path, authentication_key="00" * 16)
    status, answer = decode(capsys, GLO_GET, "--keys", keys)
    assert status == 1
    assert answer["layers"][0]["verified"] is False
    assert len(answer["layers"]) == 1


def test_without_authentication_key_it_opens_only_when_told_to(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, answer = decode(capsys, GLO_GET, "--keys", key_file(tmp_path, authentication_key=""))
    assert status == 1
    assert "verify = false" in answer["error"]["what"]
    keys = key_file(tmp_path, authentication_key="", verify="false")
    status, answer = decode(capsys, GLO_GET, "--keys", keys)
    assert status == 0
    assert answer["layers"][0]["verified"] is None
    assert answer["layers"][1]["layer"] == "get-request-normal"
    _, _, err = cosem(capsys, "decode", GLO_GET, "--keys", keys)
    assert "not proven genuine" in err


def test_keys_are_never_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, out, err = cosem(capsys, "decode", GLO_GET, "--keys", key_file(tmp_path))
    assert EK.lower() not in (out + err).lower()
    assert AK.lower() not in (out + err).lower()


def test_a_file_of_hex_and_one_of_octets_read_alike(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    as_text, as_octets = tmp_path / "a.hex", tmp_path / "a.bin"
    as_text.write_text("# a value\n0x11 0x2A\n", encoding="ascii")
    as_octets.write_bytes(b"\x11\x2a")
    assert (
        decode(capsys, str(as_text)) == decode(capsys, str(as_octets)) == (0, {"layers": [], "value": {"unsigned": 42}})
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["decode", "no-such-file"], "neither hex digits nor the name of a file"),
        (["decode", "00", "--keys", "no-such-file.toml"], "no-such-file.toml"),
        (["obis", "1-0:1.8.0.300"], "group F is 300"),
        (["obis", "hello"], "is no OBIS code"),
        (["class", "9999"], "no interface class"),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    status, out, err = cosem(capsys, *arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_an_obis_code_is_named_group_by_group(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = cosem(capsys, "obis", "1-0:1.8.0*255", "--json")
    answer = json.loads(out)
    assert status == 0
    assert answer["obis"] == "1-0:1.8.0.255"
    assert [group["value"] for group in answer["groups"]] == [1, 0, 1, 8, 0, 255]


def test_a_class_is_described_as_the_contract_says(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = cosem(capsys, "class", "70", "--json")
    answer = json.loads(out)
    assert status == 0
    assert (answer["class_id"], answer["name"]) == (70, "Disconnect control")
    assert [(a["id"], a["name"]) for a in answer["attributes"]][1] == (2, "output_state")
    assert [(m["id"], m["name"]) for m in answer["methods"]] == [(1, "remote_disconnect"), (2, "remote_reconnect")]


def test_the_list_of_classes_has_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = cosem(capsys, "class")
    lines = out.splitlines()
    assert (status, lines[0]) == (0, "class\tversions\tname")
    assert "15\t0, 1, 2, 3\tAssociation LN" in lines
    named = {entry["class_id"]: entry["name"] for entry in json.loads(cosem(capsys, "class", "--json")[1])}
    assert (named[19], named[25], named[71]) == ("IEC local port setup", "M-Bus slave port setup", "Limiter")


def test_what_stays_shut_says_that_a_key_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, shut, _ = cosem(capsys, "decode", GLO_GET)
    assert "  not opened" in shut.splitlines()[0]
    assert "no key is known that opens it" in shut.splitlines()[-1]
    _, opened, _ = cosem(capsys, "decode", GLO_GET, "--keys", key_file(tmp_path))
    assert "  verified" in opened.splitlines()[0]
    _, unproven, _ = cosem(
        capsys, "decode", GLO_GET, "--keys", key_file(tmp_path, verify="false", authentication_key="")
    )
    assert "  not verified" in unproven.splitlines()[0]
    assert not any("no key is known" in text for text in (opened, unproven))


def test_a_class_is_found_by_name_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for which in ("association ln", "Association LN"):
        status, out, _ = cosem(capsys, "class", which, "--version", "1", "--json")
        answer = json.loads(out)
        assert (status, answer["class_id"], answer["version"]) == (0, 15, 1)


def test_a_push_is_named_by_its_layout(capsys: pytest.CaptureFixture[str]) -> None:
    """List 1 of Kaifa meters: one number, whose meaning only the country tells; its date-time has a tag too many."""
    octets = "7ea027010201105a87e6e7000f40000000090c07e60a1d06133a38ff80000002010600000587f0e07e"
    status, document = decode(capsys, octets)
    assert status == 0
    assert document["layers"][-1]["tolerances"] == ["tagged_date_time"]
    assert "readings" not in document
    status, document = decode(capsys, "--country", "no", octets)
    assert status == 0
    assert [(item["obis"], item["scaled"], item["unit_symbol"]) for item in document["readings"]] == [
        ("1-0:1.7.0.255", "1415", "W")
    ]
    status, out, _ = cosem(capsys, "decode", "--country", "NO", octets)
    assert status == 0
    assert "1-0:1.7.0.255 = 1415 W  (active power import, instantaneous)" in out


def test_a_p1_telegram_in_a_file_is_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "p1.txt"
    path.write_bytes(encode_p1("CSM5TEST", [P1Line(Obis.parse("1-0:1.8.1"), ("001234.567*kWh",))]))
    status, answer = decode(capsys, str(path))
    assert status == 0
    assert [(layer["layer"], layer["crc_ok"]) for layer in answer["layers"]] == [("p1", True)]
    assert answer["readings"][0]["obis"] == "1-0:1.8.1.255"
    path.write_bytes(path.read_bytes().replace(b"1234", b"1235"))
    status, answer = decode(capsys, "--as", "p1", str(path))
    assert (status, answer["error"]["what"]) == (1, "the check sum is wrong")

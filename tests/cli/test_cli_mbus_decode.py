"""`cosem mbus decode` and `cosem mbus listen` as scripts and people meet them: output, errors, exit status."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cosem.cli.app import run
from cosem.mbus.relays import format_im871a
from support.mbus_telegrams import KEY, OTHER_KEY, lines

CLEAR = "6820206808FD7278563412931533032A0000000C1427048502046D32371F1502FD1700008916"
(SEALED,) = [line["frame"] for line in lines() if line["name"] == "gas meter, mode 5, two blocks"]
WATER = "1E44AE4C9956341268077A360010002F2F0413181E0000023B00002F2F2F2F"
CUT = "681C1C680802727856341224400107550000000313153100DA023B13018B6004C716"
BUSY = "68040468080170088116"


def cosem(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        run(["mbus", *arguments])
    captured = capsys.readouterr()
    return int(exit_.value.code or 0), captured.out, captured.err


def decode(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    status, out, _ = cosem(capsys, "decode", *arguments, "--json")
    return status, json.loads(out)


def key_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "keys.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_document_has_the_keys_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    status, document = decode(capsys, CLEAR)
    assert status == 0
    assert {"manufacturer", "identification", "version", "medium", "medium_name", "access_number", "status",
            "security_mode"} <= set(document["header"])  # fmt: skip
    volume, when, _ = document["records"]
    assert volume == {
        "quantity": "volume", "value": "28504.27", "unit": "m³", "function": "instantaneous", "storage": 0, "tariff": 0,
        "subunit": 0, "dib": "0c14", "vib": "14", "type": "A", "data": "27048502",
    }  # fmt: skip
    assert (when["value"], when["flags"]) == ("2008-05-31T23:50", ["century 20xx"])


def test_exit_status(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert decode(capsys, CUT)[0] == 1
    assert set(decode(capsys, CUT)[1]["error"]) == {"what", "offset", "layer"}
    status, report = decode(capsys, BUSY)
    assert (status, report["application_error"]["code"]) == (0, 8)
    for wrong in (["zz"], [str(tmp_path / "nothing")], [CLEAR, "--key", "00"], [CLEAR, "--key", "zz"], [" "]):
        status, out, _ = cosem(capsys, "decode", *wrong, "--json")
        assert status == 2
        assert set(json.loads(out)) == {"error"}
    status, _, err = cosem(capsys, "decode", CLEAR, "--key", OTHER_KEY.hex()[:-2])
    assert (status, OTHER_KEY.hex()[:-2] in err) == (2, False)


def test_keys_on_the_command_line_and_in_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert decode(capsys, SEALED)[1]["state"] == "sealed"
    assert decode(capsys, SEALED)[0] == 0
    assert decode(capsys, SEALED, "--key", KEY.hex())[1]["records"][0]["value"] == "28504.27"
    status, wrong = decode(capsys, SEALED, "--key", OTHER_KEY.hex())
    assert (status, wrong["header"]["manufacturer"], wrong["records"]) == (1, "ELS", [])
    for text in (
        f'[garage]\nmbus_id = "12345678"\nmbus_key = "{KEY.hex()}"',
        f'["12345678"]\nmbus_key = "{KEY.hex()}"',
    ):
        file = key_file(tmp_path, text)
        assert decode(capsys, SEALED, "--keys", file)[1]["state"] == "opened"
        # No key of this meter in the file: what it sends is what it sends.
        assert decode(capsys, WATER, "--keys", file)[0] == 0
    file = key_file(tmp_path, f'[default]\npassword = "x"\n[any]\nmbus_key = "{KEY.hex()}"')
    assert decode(capsys, SEALED, "--keys", file)[1]["state"] == "sealed"
    assert decode(capsys, SEALED, "--keys", file, "--device", "any")[1]["state"] == "opened"
    assert cosem(capsys, "decode", SEALED, "--keys", file, "--device", "default")[0] == 2
    assert cosem(capsys, "decode", SEALED, "--keys", file, "--key", KEY.hex())[0] == 2
    # A meter that has a key is not believed in clear.
    assert decode(capsys, CLEAR, "--key", KEY.hex())[0] == 1


def test_already_decrypted_is_said_and_never_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = [line for line in lines() if line["frame"] == SEALED]
    plain = line["frame"][:30] + line["application"]
    assert decode(capsys, plain)[1]["state"] == "sealed"
    status, document = decode(capsys, plain, "--already-decrypted")
    assert (status, document["records"][0]["value"]) == (0, "28504.27")


def test_files_and_standard_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "telegrams.txt"
    for encoding in ("utf-8-sig", "utf-16"):  # an editor and a shell of Windows
        text.write_text(f"{CLEAR}\n{WATER}\n", encoding=encoding)
        status, document = decode(capsys, str(text))
        assert (status, len(document["frames"])) == (0, 2)
    text.write_text(f"{CLEAR}\n# noise\n{WATER}\n", encoding="ascii")
    raw = tmp_path / "capture.bin"
    raw.write_bytes(bytes.fromhex(CLEAR) + bytes.fromhex(CLEAR))
    for path in (text, raw):
        status, document = decode(capsys, str(path))
        assert (status, len(document["frames"])) == (0, 2)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WATER.encode())))
    assert decode(capsys)[1]["records"][0]["value"] == "7.704"
    story = tmp_path / "story.txt"
    story.write_text("Once upon a time\n", encoding="ascii")
    status, document = decode(capsys, str(story))
    assert (status, document["error"]) == (1, {"what": "no octets in hex", "offset": 0, "layer": "input"})
    empty = tmp_path / "empty"
    empty.touch()
    assert cosem(capsys, "decode", str(empty))[0] == 2


def test_people_get_a_table_and_every_octet(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = cosem(capsys, "decode", CLEAR)
    table = out.splitlines()
    assert status == 0
    assert table[0] == "ELS 12345678, gas (version 51), M-Bus records, access 42, status 0"
    assert table[2].split("\t")[:3] == ["volume", "28504.27", "m³"]
    out = cosem(capsys, "decode", CLEAR, "-v")[1]
    rows = out.splitlines()[1:-4]
    assert [row.split()[0] for row in rows][:3] == ["0", "1", "2"]
    assert "".join(row.split()[1] for row in rows).upper() == CLEAR
    assert "record 0 data: 28504.27 m³" in out
    assert "the meter reports an error: application too busy" in cosem(capsys, "decode", BUSY)[1]
    assert "apl: a value of 3 octets" in cosem(capsys, "decode", CUT)[1] + cosem(capsys, "decode", CUT)[2]
    assert "--key or --keys opens it" in cosem(capsys, "decode", SEALED)[2]


def test_records_without_a_frame(capsys: pytest.CaptureFixture[str]) -> None:
    assert decode(capsys, "0413181E0000", "--as", "records")[1]["records"][0]["value"] == "7.704"
    assert decode(capsys, "780413181E0000", "--as", "message")[1]["records"][0]["value"] == "7.704"
    assert decode(capsys, "0413181E0000")[0] == 1


def test_the_general_command_shows_values_of_ordinary_meters(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(["decode", CLEAR])
    assert exit_.value.code == 0
    assert "volume: 28504.27 m³" in capsys.readouterr().out


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_listen_takes_the_time_of_the_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    heard = tmp_path / "heard.txt"
    line = "T1;1;1;{};97;148;12345699;0x" + WATER + "\n"
    years = ("2026-04-03 12:00:00.000", "0001-01-01 00:00:00", "9999-12-31 23:59:59")
    heard.write_text("".join(map(line.format, years)), encoding="ascii")
    status, out, _ = cosem(capsys, "listen", str(heard), "--json")
    monkeypatch.undo()
    time.tzset()
    stamps = [json.loads(line)["timestamp"] for line in out.splitlines()]
    assert (status, len(stamps)) == (0, 3)
    assert stamps[0] == {"America/New_York": "2026-04-03T16:00:00Z", "Asia/Tokyo": "2026-04-03T03:00:00Z"}[zone]


def test_listen_prints_readings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = tmp_path / "heard.txt"
    heard.write_text(f"{WATER}\n{SEALED}\n{SEALED}\nnoise\n", encoding="ascii")
    status, out, err = cosem(capsys, "listen", str(heard), "--json", "-v")
    (reading,) = map(json.loads, out.splitlines())
    assert (status, reading["id"], reading["total_m3"], reading["media"]) == (0, "12345699", 7.704, "water")
    assert (reading["meter"], reading["status"]) == ("sensus-iperl", "OK")
    assert "1 readings" in err
    keys = key_file(tmp_path, f'["12345678"]\nmbus_key = "{KEY.hex()}"')
    status, out, err = cosem(capsys, "listen", str(heard), "--keys", keys, "--json", "--meter", "12345678", "-v")
    # The second telegram repeats the first: it is refused.
    (reading,) = map(json.loads, out.splitlines())
    assert (reading["total_m3"], "a repetition" in err) == (28504.27, True)
    status, out, _ = cosem(capsys, "listen", str(heard), "--count", "1")
    assert out.startswith("SEN 12345699, water (version 104)")
    assert out.rstrip().endswith("volume 7.704 m³; volume flow 0.000 m³/h")
    dongle = tmp_path / "dongle.bin"
    dongle.write_bytes(b"\x00" + format_im871a(bytes.fromhex(WATER), level=90) * 2)
    status, out, _ = cosem(capsys, "listen", str(dongle), "--receiver", "im871a", "--full")
    assert [json.loads(line)["received"]["relay"] for line in out.splitlines()] == ["iM871A", "iM871A"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"noise")))
    assert cosem(capsys, "listen")[0] == 1

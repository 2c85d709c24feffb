"""M-Bus: wired telegrams in clear, decoded to values, beside pyMeterBus and pymbusparser (which is Rust)."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from bench.measure import medians
from bench.report import Line

LONG_HEADER = bytes.fromhex("785634122d2c010401000000")
"""12345678, KAM, version 1, heat, access number 1, no protection."""
RECORDS = Path(__file__).parents[1] / "tests" / "data" / "mbus_records.jsonl"


def mbus_telegrams() -> list[Line]:
    """Telegrams of real devices, from the first octet of the frame to the last value."""
    from cosem.link.mbus_frame import build, parse_at
    from cosem.mbus.record import decode_records

    meterbus: Any = importlib.import_module("meterbus")
    pymbusparser: Any = importlib.import_module("pymbusparser")
    lines = [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]
    frames = [build(0x08, 1, 0x72, LONG_HEADER + bytes.fromhex(line["octets"])) for line in lines]
    frames = [frame for frame in frames if _reads(meterbus.load, frame) and _reads(pymbusparser.parse, frame)]

    def ours() -> object:
        for frame in frames:
            data = parse_at(frame)[0].data
            values = [record.value for record in decode_records(data[12:]).records]
        return values

    def as_json() -> object:
        for frame in frames:
            found = decode_records(parse_at(frame)[0].data[12:]).json()
        return found

    def meterbus_values() -> object:
        for frame in frames:
            values = [record.value for record in meterbus.load(frame).records]
        return values

    def pymbusparser_values() -> object:
        for frame in frames:
            found = pymbusparser.parse(frame)
        return found

    times = {
        name: seconds / len(frames)
        for name, seconds in medians(
            {"ours": ours, "json": as_json, "pyMeterBus": meterbus_values, "pymbusparser": pymbusparser_values}
        ).items()
    }
    return [
        Line("M-Bus telegram to values", times["ours"], 5, {"pyMeterBus": times["pyMeterBus"]}),
        Line("", times["ours"], 1, {"pymbusparser": times["pymbusparser"]}),
        Line("  to JSON", times["json"], 1, {"pymbusparser": times["pymbusparser"]}),
    ]


def _reads(load: Any, frame: bytes) -> bool:
    """Say whether a peer can read a frame at all: only what all can read is measured."""
    try:
        load(frame)
    except Exception:
        return False
    return True

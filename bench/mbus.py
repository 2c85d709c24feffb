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
    """Telegrams of real devices, from the first octet of the frame (link, header, records) to the last value."""
    from cosem.explain.mbus import MBusExplainer
    from cosem.link.mbus_frame import build
    from cosem.mbus.record import decode_records
    from cosem.mbus.relays import Received, Relay
    from cosem.mbus.telegram import decode

    meterbus: Any = importlib.import_module("meterbus")
    pymbusparser: Any = importlib.import_module("pymbusparser")
    lines = [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]
    frames = [build(0x08, 1, 0x72, LONG_HEADER + bytes.fromhex(line["octets"])) for line in lines]
    frames = [frame for frame in frames if _reads(meterbus.load, frame) and _reads(pymbusparser.parse, frame)]

    def ours() -> object:
        for frame in frames:
            values = [record.value for record in decode_records(decode(frame).application).records]
        return values

    def as_json() -> object:
        for frame in frames:
            found = decode_records(decode(frame).application).json()
        return found

    received = [Received(frame, Relay.HEX) for frame in frames]

    def document() -> object:
        explainer = MBusExplainer()
        for item in received:
            found = explainer.take(item).to_json()
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
            {
                "ours": ours,
                "json": as_json,
                "document": document,
                "pyMeterBus": meterbus_values,
                "pymbusparser": pymbusparser_values,
            }
        ).items()
    }
    return [
        Line("M-Bus telegram to values", times["ours"], 5, {"pyMeterBus": times["pyMeterBus"]}),
        Line("", times["ours"], 1, {"pymbusparser": times["pymbusparser"]}),
        Line("  to JSON", times["json"], 1, {"pymbusparser": times["pymbusparser"]}),
        Line("  to the document of the command line", times["document"], None, {"pymbusparser": times["pymbusparser"]}),
    ]


def _reads(load: Any, frame: bytes) -> bool:
    """Say whether a peer can read a frame at all: only what all can read is measured."""
    try:
        load(frame)
    except Exception:
        return False
    return True

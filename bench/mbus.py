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


def mbus_models() -> list[Line]:
    """The model of a meter among many, and a telegram with its model's names as a line of JSON."""
    from datetime import UTC, datetime

    from cosem.mbus.manufacturer import manufacturer_octets
    from cosem.mbus.model import Model, Models, models
    from cosem.mbus.readings import reading
    from cosem.mbus.telegram import decode
    from cosem.mbus.wireless import Address

    iperl = models().named("sensus-iperl")
    frame, now = iperl.examples[0].frame, datetime(2026, 4, 3, tzinfo=UTC)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    codes = [first + second + third for first in "ABCD" for second in letters for third in letters]
    addresses = [Address.of(code, "00000001", version, 7) for code in codes for version in range(4)][:10_000]

    def known(count: int) -> Models:
        recognised = [(address.manufacturer, address.version, address.medium) for address in addresses[:count]]
        others = [Model(str(number), "", (key,), iperl.fields) for number, key in enumerate(recognised)]
        return Models([iperl, *others])

    few, many = known(10), known(len(addresses))
    asked = addresses[::100]
    if manufacturer_octets("SEN") in {address.manufacturer for address in addresses}:
        raise SystemExit("the model that is measured is recognised by another one, too")

    times = medians(
        {
            "few": lambda: [few.of(address) for address in asked],
            "many": lambda: [many.of(address) for address in asked],
            "line": lambda: reading(decode(frame), many, timestamp=now).line(),
        }
    )
    return [
        Line("M-Bus model of a meter, 10 known", times["few"] / len(asked), 2e-6),
        Line("  10,000 known", times["many"] / len(asked), 2e-6),
        Line("M-Bus telegram by radio to a line of JSON", times["line"]),
    ]


def _reads(load: Any, frame: bytes) -> bool:
    """Say whether a peer can read a frame at all: only what all can read is measured."""
    try:
        load(frame)
    except Exception:
        return False
    return True

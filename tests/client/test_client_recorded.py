"""A recorded session with a real meter: our client asks, the meter's own frames answer."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

from cosem.association.initiator import Initiator
from cosem.association.settings import AssociationSettings
from cosem.client.core import ClientOptions
from cosem.client.short_names import ShortNameCore
from cosem.codec.json import to_json
from cosem.conformance_block import Conformance
from cosem.explain import explain
from cosem.io.memory import MemoryDriver
from cosem.link.hdlc.link import HdlcLink
from cosem.obis import Obis

_ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "short_name_session.jsonl").read_text("utf-8").splitlines()
]
FRAMES = _ROWS[1:]
CONTROL = 8
"""Where the control octet stands in a frame with addresses of four octets and one, from the client."""
SNRM, DISC = 0x93, 0x53


class Recording:
    """The meter: to every frame it says what it said then."""

    def __init__(self) -> None:
        said = [bytes.fromhex(row["hex"]) for row in FRAMES if row["from"] == "meter"]
        self._first, *between, self._last = said
        self._waiting = deque(between)
        self._out = b""
        self.heard: list[bytes] = []

    def receive(self, octets: bytes, now: float) -> None:
        self.heard.append(octets)
        control = octets[CONTROL]
        if control == SNRM:
            self._out += self._first
        elif control == DISC:
            self._out += self._last
        elif not control & 1 and self._waiting:
            self._out += self._waiting.popleft()

    def take(self) -> bytes:
        octets, self._out = self._out, b""
        return octets

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        pass

    def lost(self, now: float) -> None:
        pass


def test_a_real_meter_gives_our_client_the_values_it_gave_then() -> None:
    asked = [row["names"] for row in FRAMES if "names" in row]
    told = [row["values"] for row in FRAMES if "values" in row]
    # Of the logical names only that of the device name is known; the others are names of this test's own.
    names = [Obis.parse("0-0:42.0.0")] + [Obis(bytes((0, 0, 128, 0, n, 255))) for n in range(4)]
    short = dict(zip(names, [name - 8 for part in asked for name in part], strict=True))
    settings = AssociationSettings(client_sap=16, server_sap=1, physical=3380, referencing="sn")
    meter = Recording()
    machine = Initiator(HdlcLink(), settings)
    core = ShortNameCore(machine, bytes, ClientOptions(base_names=short))
    driver: Any = MemoryDriver(machine, meter)
    driver.run(core.open())
    assert machine.conformance == (
        Conformance.READ | Conformance.WRITE | Conformance.MULTIPLE_REFERENCES | Conformance.PARAMETERIZED_ACCESS
    )
    assert machine.peer_max_pdu_size == 2400
    first = driver.run(core.read_many([(1, names[0], 2), (1, names[1], 2)]))
    rest = [driver.run(core.get_data(1, name, 2)) for name in names[2:]]
    assert [[to_json(data) for data in part] for part in ([first] + [[data] for data in rest])] == told
    assert first[0].value.rstrip(b"\0") == b"LGZ51282380"
    driver.run(core.close())
    # What we ask for is, frame by frame, what was asked then; only our offer in the AARQ is another.
    then = [bytes.fromhex(row["hex"]) for row in FRAMES if row["from"] == "client" and "names" in row]
    assert [octets for octets in meter.heard if octets in then] == then


def test_the_recording_is_explained_to_the_last_octet() -> None:
    told = explain(bytes.fromhex("".join(row["hex"] for row in FRAMES)))
    assert told.error is None
    assert [frame.error for frame in told.frames] == [None] * len(FRAMES)
    values = [row["values"] for row in FRAMES if "values" in row]
    explained = [frame for frame in told.frames if frame.value is not None]
    assert [as_list(frame.to_json()["value"]) for frame in explained] == values


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

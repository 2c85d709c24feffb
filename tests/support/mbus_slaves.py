"""Utility meters on a simulated bus, small and as the tests want them: they count, protect, and obey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cosem.device.mbus.port import SteppedBus
from cosem.device.utility.consumption import Flow
from cosem.device.utility.meter import Medium, UtilityMeter, UtilitySettings, Valve
from cosem.errors import CosemError
from cosem.link.line import Line
from cosem.link.mbus_frame import Frame
from cosem.mbus import crypto
from cosem.mbus.addresses import SecondaryAddress
from cosem.mbus.ci import HeaderKind
from cosem.mbus.dib import DataField, Dib
from cosem.mbus.header import NO_CONFIGURATION, Configuration, Header
from cosem.mbus.keys import KeyStore
from cosem.mbus.link_fields import STANDARD_LINE
from cosem.mbus.master import BusMaster, MasterTimes
from cosem.mbus.moments import Moment
from cosem.mbus.record import Record, encode_records
from cosem.mbus.secondary import Request, SecondaryStation
from cosem.mbus.telegram import Telegram, decode_message, encode
from cosem.mbus.wireless import Address
from cosem.simulator.mbus_bus import SimulatedBus

DEFAULT_KEY = bytes(range(16))
NEW_KEY = bytes.fromhex("11111111222222223333333344444455")
VOLUME, VALVE, CLOCK = b"\x0c\x13", b"\x01\xfd\x1a", b"\x04\x6d"


class Steady:
    """A litre a step."""

    def at(self, local: Any, step: int) -> Flow:
        return Flow(1000)


class Slave(SecondaryStation):
    """A utility meter on the wire. `silent` answers nothing; `parts` cuts its answer into telegrams."""

    def __init__(
        self, start: int, number: str = "12345678", medium: int = 3, *, valve: bool = True, **settings: Any
    ) -> None:
        self.meter = UtilityMeter(UtilitySettings(Medium.GAS, Steady(), number, valve=valve, battery_days=4000), start)
        self.silent = False
        self.parts = 1
        self.tells_time = True
        self.refuses = False
        self.status = 0
        self.address = Address.of("CSM", number, 16, medium)
        self.keys = KeyStore()
        self.secret: bytes | None = None
        self.orders: list[bytes] = []
        self._error: int | None = None
        super().__init__(self, SecondaryAddress(self.address.header), **settings)

    def hear(self, frame: Frame, now: float) -> bytes:
        self.meter.settle(int(now))
        return b"" if self.silent or not self.meter.alive else super().hear(frame, now)

    def take_key(self, key: bytes) -> None:
        self.secret = key
        self.keys.add(self.address, key)

    def records(self) -> list[Record]:
        meter = self.meter
        number = {Valve.CLOSED: 0, Valve.OPEN: 1, Valve.RELEASED: 2}[meter.valve]
        records = [Record.of(Dib.of(DataField.BCD_8), b"\x13", meter.amount // 1000)]
        if self.tells_time:
            records.append(Record.of(Dib.of(DataField.INTEGER_32), b"\x6d", Moment.of("F", meter.local())))
        if meter.settings.valve:
            records.append(Record.of(Dib.of(DataField.INTEGER_8), b"\xfd\x1a", number))
        return records

    def answer(self, request: Request) -> Sequence[tuple[int, bytes]]:
        if self._error is not None:
            error, self._error = self._error, None
            return [(0x70, bytes((error,)))]
        records = self.records()
        pieces = [records] if self.parts == 1 else [[record] for record in records]
        return [self._telegram(piece, last=piece is pieces[-1], number=at) for at, piece in enumerate(pieces)]

    def _telegram(self, records: list[Record], *, last: bool, number: int) -> tuple[int, bytes]:
        text, configuration = encode_records(records), NO_CONFIGURATION
        end = b"" if last else b"\x1f"
        if self.secret is not None:
            text = b"\x2f\x2f" + text
            text += b"\x2f" * (-(len(text) + len(end)) % 16)
            configuration = Configuration.of(5, length=len(text + end))
        access = (self.access_number * 8 + number) & 0xFF
        header = Header(HeaderKind.LONG, self.address, access, self.status | int(self.meter.status), configuration)
        frame = encode(Telegram.on_wire(8, 0, 0x72, text + end, header), keys=self.keys)
        return frame[6], frame[7:-2]

    def accept(self, ci: int, octets: bytes) -> bool:
        message = bytes((ci,)) + octets
        self.orders.append(message)
        if self.refuses:
            self._error = 0x11
            return True
        if ci == 0xC0:
            return True
        protected = True
        try:
            telegram = decode_message(message, wired=True, meter=self.address, keys=self.keys)
        except CosemError:
            protected = False
            try:
                telegram = decode_message(message, wired=True, meter=self.address)
            except CosemError:
                self._error = 0x14
                return True
        from cosem.mbus.record import decode_records

        for record in decode_records(telegram.application).records:
            self._carry_out(record, protected)
        return True

    def _carry_out(self, record: Record, protected: bool) -> None:
        head, raw = record.head.octets, record.raw
        if head == b"\x0d\xfd\x19":
            new = record.data[1:]
            self.take_key(crypto.decrypt_cbc(DEFAULT_KEY, bytes(16), new))
        elif not protected and self.secret is not None:
            self._error = 0x10
        elif head == b"\x01\xfd\x1f":
            self.meter.close_valve() if raw == 0 else self.meter.release_valve()
        elif head == b"\x06\x6d" and isinstance(raw, Moment):
            from datetime import UTC, timedelta

            utc = raw.to_datetime() - timedelta(minutes=self.meter.settings.zone)
            self.meter.set_clock(int(utc.replace(tzinfo=UTC).timestamp()))
        elif head == b"\x02\xfd\x17":
            self.meter.acknowledge()


def wired(meter: Any, *slaves: SecondaryStation) -> SimulatedBus:
    """Put a meter's M-Bus on a bus with these slaves."""
    line = Line(STANDARD_LINE)
    bus = SimulatedBus(slaves, line=line)
    master = BusMaster(line, MasterTimes(answer=0.3))
    meter.equipment.mbus.connect(SteppedBus(master, bus, lambda: meter.now))
    return bus

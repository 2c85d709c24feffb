"""What is known of M-Bus telegrams after they were read: their JSON document, and the rows of their octets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cosem.errors import CosemError, DecodeError, IncompleteError
from cosem.explain.tree import Explanation, Failure
from cosem.mbus.ci import Content, HeaderKind, meaning
from cosem.mbus.fixed import FixedData
from cosem.mbus.header import status_words
from cosem.mbus.media import medium_name
from cosem.mbus.moments import Moment
from cosem.mbus.profile import Series, compact_series, load_profiles, storage_interval
from cosem.mbus.record import Record, Records, Value
from cosem.mbus.relays import Received, Relay
from cosem.mbus.telegram import State, Telegram
from cosem.mbus.wireless import Address

SERIES_FROM = 3
"""Values that differ in their storage number alone are a profile from here on; two are a meter's last reading day."""
NO_RECORDS = Records(())


@dataclass(slots=True)
class TelegramExplained:
    """One telegram, or one answer of several, and what is known of it. `error` says why something is not."""

    frame: bytes
    received: Received | None = None
    telegram: Telegram | None = None
    records: Records = NO_RECORDS
    fixed: FixedData | None = None
    header_fields: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict)
    error: Failure | None = None
    note: str = ""
    reached: str = "input"
    waits: str = ""
    waiting_layer: str = ""
    apdu: Explanation | None = None
    parts: list[TelegramExplained] = field(default_factory=list)
    """The further telegrams of an answer; `records` of the first has all of theirs."""
    own: Records | None = None

    def fail(self, error: CosemError, layer: str) -> TelegramExplained:
        """Note `error`, met in `layer`."""
        if isinstance(error, DecodeError):
            path = f" in {' > '.join(error.path)}" if error.path else ""
            self.error = Failure(error.what + path, error.offset, layer, isinstance(error, IncompleteError))
        else:
            self.error = Failure(str(error), 0, layer)
        return self

    def layer_of(self, error: CosemError) -> str:
        """Return the layer in which opening stopped."""
        return self.reached

    # --- what it says ------------------------------------------------------------------------------------------

    @property
    def wired(self) -> bool:
        """Whether it came on the wire."""
        return self.telegram is not None and self.telegram.wired

    @property
    def content(self) -> Content | None:
        """What the application carries; None for what has no telegram in it."""
        telegram = self.telegram
        if telegram is None:
            return None
        return meaning(telegram.ci, wired=telegram.wired, length=len(telegram.application)).content

    @property
    def address(self) -> Address | None:
        """Whose telegram it is."""
        return None if self.telegram is None else self.telegram.address

    @property
    def sealed(self) -> bool:
        """Whether nobody gave the key that opens it."""
        return self.telegram is not None and self.telegram.state is State.SEALED

    @property
    def nameless(self) -> bool:
        """Whether its values wait for the headers that only a full frame or a format frame has."""
        return "compact" in self.more

    def header(self) -> dict[str, Any]:
        """Return manufacturer, identification, version, medium, access number, status and security mode."""
        if self.header_fields is not None:
            return self.header_fields
        telegram = self.telegram
        if telegram is None:
            return {}
        address, has_header = telegram.address, telegram.header.kind is not HeaderKind.NONE
        status = telegram.header.status if has_header else None
        return {
            **_address(address),
            "access_number": telegram.access_number,
            "status": status,
            "status_words": status_words(status) if status else [],
            "security_mode": telegram.security_mode,
        }

    def series(self) -> list[dict[str, Any]]:
        """Return the profiles among the records: compact ones, and values by storage number with their times."""
        records = self.records
        found: list[Series] = []
        for record in records.records:
            if record.vib.profile is not None and isinstance(record.raw, bytes):
                try:
                    found.append(compact_series(record, records))
                except DecodeError:
                    continue
        found += [
            series for series in load_profiles(records, storage_interval(records)) if len(series.points) >= SERIES_FROM
        ]
        return [_series(series) for series in found]

    def record_documents(self) -> list[dict[str, Any]]:
        """Return the records, or the counters of a fixed data structure, as the command line has them."""
        if self.fixed is not None:
            return [counter.json() for counter in self.fixed.counters]
        return self.records.json()

    def to_json(self, *, octets: bool = False) -> dict[str, Any]:
        """Return the document of ``cosem mbus decode --json``; with `octets` every field of the frame is in it."""
        answer: dict[str, Any] = {} if self.error is None else {"error": self.error.to_json()}
        answer |= {"header": self.header(), "records": self.record_documents()}
        telegram = self.telegram
        if telegram is not None:
            answer["link"] = "wired" if telegram.wired else "wireless"
            answer["ci"] = telegram.ci
            if self.content is not None:
                answer["content"] = self.content.value
            answer["direction"] = telegram.direction.value
            answer["state"] = telegram.state.value
            answer["verified"] = telegram.verified
            if telegram.sender is not None and telegram.sender != telegram.address and not telegram.wired:
                answer["sender"] = _address(telegram.sender)
        if self.parts:
            answer["telegram_count"] = 1 + len(self.parts)
        records = self.records
        if records.manufacturer_data:
            answer["manufacturer_data"] = records.manufacturer_data.hex()
        if records.more_follows:
            answer["more_follows"] = True
        answer |= self.more
        if series := self.series():
            answer["series"] = series
        if self.waits:
            answer["waits_for"] = self.waits
        if self.received is not None and self.received.relay is not Relay.HEX:
            answer["received"] = _received(self.received)
        if octets:
            from cosem.explain.mbus_octets import rows

            answer["octets"] = [row.to_json() for part in (self, *self.parts) for row in rows(part)]
        return answer

    # --- answers of several telegrams -----------------------------------------------------------------------------

    def continues_with(self, other: TelegramExplained) -> bool:
        """Say whether `other` goes on with the records of this answer: it says so, and they are one meter's."""
        return (
            self.error is None
            and self.records.more_follows
            and self.wired
            and other.wired
            and other.content is Content.RECORDS
            and other.address == self.address
        )

    def join(self, other: TelegramExplained) -> None:
        """Take the records of a further telegram of the same answer."""
        if self.own is None:
            self.own = self.records
        self.parts.append(other)
        mine, theirs = self.records, other.records
        data = mine.manufacturer_data + theirs.manufacturer_data
        self.records = Records(mine.records + theirs.records, data, theirs.end)
        self.more |= other.more
        self.fixed = self.fixed or other.fixed
        self.error = self.error or other.error
        self.note = self.note or other.note
        self.waits, self.waiting_layer = other.waits, other.waiting_layer


@dataclass(slots=True)
class MBusExplanation:
    """All that one input held."""

    frames: list[TelegramExplained]

    @property
    def error(self) -> Failure | None:
        """The first thing that went wrong."""
        if not self.frames:
            return Failure("no telegram in this input", 0, "input")
        return next((frame.error for frame in self.frames if frame.error is not None), None)

    @property
    def ok(self) -> bool:
        """Whether every octet that no key hides was understood."""
        return self.error is None

    def to_json(self, *, octets: bool = False) -> dict[str, Any]:
        """Return one document, or ``{"frames": [...]}`` where there are several telegrams."""
        if len(self.frames) == 1:
            return self.frames[0].to_json(octets=octets)
        answer: dict[str, Any] = {} if self.error is None else {"error": self.error.to_json()}
        if not self.frames:
            return {**answer, "header": {}, "records": []}
        return {**answer, "frames": [frame.to_json(octets=octets) for frame in self.frames]}


def header_of_fixed(data: FixedData) -> dict[str, Any]:
    """Return the header of a fixed data structure, which names no manufacturer."""
    return {
        "manufacturer": None,
        "identification": data.identification_number,
        "version": None,
        "medium": data.medium,
        "medium_name": data.medium_name,
        "access_number": data.access_number,
        "status": data.status,
        "status_words": [],
        "security_mode": 0,
    }


def value_text(value: Value) -> str | None:
    """Return a value as JSON has it: exact decimals, ISO 8601, text, hex."""
    if isinstance(value, Moment):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str) or value is None else f"{value:f}"


def name_of_record(record: Record) -> str:
    """Return what a record is of, in words."""
    words = [record.quantity, *record.vib.qualifiers]
    if record.function:
        words.append(record.function.words)
    for name, number in (("storage", record.storage), ("tariff", record.tariff), ("subunit", record.subunit)):
        if number:
            words.append(f"{name} {number}")
    return ", ".join(words)


def _address(address: Address | None) -> dict[str, Any]:
    if address is None:
        return dict.fromkeys(("manufacturer", "identification", "version", "medium", "medium_name"))
    return {
        "manufacturer": address.code,
        "identification": address.number,
        "version": address.version,
        "medium": address.medium,
        "medium_name": medium_name(address.medium),
    }


def _received(received: Received) -> dict[str, Any]:
    found: dict[str, Any] = {"relay": received.relay.value}
    for name, value in (
        ("rssi", received.rssi),
        ("level", received.level),
        ("time", None if received.time is None else received.time.isoformat()),
        ("ticks", received.ticks),
        ("mode", received.mode or None),
    ):
        if value is not None:
            found[name] = value
    return found


def _series(series: Series) -> dict[str, Any]:
    vib, dib = series.vib, series.dib
    return {
        "quantity": vib.quantity,
        "unit": vib.unit,
        "function": dib.function.words,
        "tariff": dib.tariff,
        "subunit": dib.subunit,
        "points": [
            {
                "storage": point.storage,
                "time": None if point.moment is None else point.moment.isoformat(),
                "value": value_text(point.value),
            }
            for point in series.points
        ],
    }

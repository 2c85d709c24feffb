"""What a utility meter is ordered: its clock, valve, due date, parameters, keys, and alarms acknowledged.

An order is a record that its model knows by its DIB and VIB. All records of a telegram are looked at before any is
carried out, so that a telegram is done as a whole or not at all. Which octets mean what is the model's; published
are the clock (04 6D, 06 6D), the remote control (FD 1F), the error flags (FD 17) and the security key (FD 19).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Final

from cosem.device.utility.meter import UtilityMeter
from cosem.device.utility.quantities import Sources
from cosem.errors import CosemError, DecodeError, SecurityError
from cosem.mbus.key_change import unwrap
from cosem.mbus.keys import KeyStore
from cosem.mbus.model import Model
from cosem.mbus.moments import Moment
from cosem.mbus.record import Record
from cosem.mbus.wireless import Address

ACCESS_DENIED, UNKNOWN_COMMAND, WRONG_PARAMETER, UNKNOWN_RECEIVER, WRONG_KEY = 0x10, 0x11, 0x12, 0x13, 0x14
"""Application errors of refusals (`reports.APPLICATION_ERRORS`)."""
_HOUR: Final = timedelta(hours=1)
Deed = Callable[[], object]


class Refused(CosemError):
    """An order that is not carried out; `code` is the application error that says why."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


@dataclass(slots=True)
class Orders:
    """The orders of one meter. `install` takes a new key and its id; `default_key` is what it is wrapped under."""

    meter: UtilityMeter
    model: Model
    address: Address
    sources: Sources
    install: Callable[[bytes, int], None]
    default_key: bytes | None = field(default=None, repr=False)
    key_counter: int = 0
    """The last key change counter."""
    refused: dict[int, int] = field(default_factory=dict)
    """How many were refused by application error."""
    _by_head: dict[bytes, tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._by_head = {head: (order.kind, order.name) for order in self.model.orders for head in order.heads}

    def refuse(self, code: int) -> int:
        """Count a refusal and return its code."""
        self.refused[code] = self.refused.get(code, 0) + 1
        return code

    def carry_out(self, records: Iterable[Record], *, protected: bool, keys: KeyStore) -> int | None:
        """Carry out all records, or none; return the application error of the first that cannot be.

        `protected`: they came under the meter's key. In clear a meter with a key takes nothing but a new key that
        proves itself; `keys` tells whether it has one.
        """
        deeds: list[Deed] = []
        try:
            for record in records:
                deeds.append(self._deed(record, protected or not keys.knows(self.address)))
        except Refused as refused:
            return self.refuse(refused.code)
        for deed in deeds:
            deed()
        return None

    def _deed(self, record: Record, trusted: bool) -> Deed:
        kind, name = self._by_head.get(record.head.octets, ("", ""))
        if not kind:
            raise Refused(UNKNOWN_COMMAND, f"no order: {record.head.octets.hex()}")
        if kind == "key":
            return self._key(_body(record), trusted)
        if not trusted:
            raise Refused(ACCESS_DENIED, f"{kind} in clear")
        if kind == "store":
            return lambda: self.sources.stored.__setitem__(name, _body(record))
        if kind == "acknowledge":
            return self.meter.acknowledge
        raw = record.raw
        if kind == "valve":
            return self._valve(raw)
        if not isinstance(raw, Moment):
            raise Refused(WRONG_PARAMETER, f"{kind}: no moment")
        return self._clock(raw) if kind == "clock" else self._due(raw)

    def _valve(self, raw: object) -> Deed:
        action = self.model.valve.get(raw) if isinstance(raw, int) else None
        meter = self.meter
        deeds = {"close": meter.close_valve, "release": meter.release_valve, "open": meter.open_valve}
        if action is None or not meter.settings.valve:
            raise Refused(WRONG_PARAMETER, f"the valve knows no {raw}")
        return deeds[action]

    def _clock(self, moment: Moment) -> Deed:
        try:
            local = moment.to_datetime()
        except DecodeError as error:
            raise Refused(WRONG_PARAMETER, error.what) from None
        if moment.invalid:
            raise Refused(WRONG_PARAMETER, "a time that is not valid")
        zone = timedelta(minutes=self.meter.settings.zone)
        utc = local - zone - (_HOUR if moment.summer_time else timedelta())
        return lambda: self.meter.set_clock(int(utc.replace(tzinfo=UTC).timestamp()))

    def _due(self, moment: Moment) -> Deed:
        month, day = moment.month, moment.day
        if moment.no_date or month is None or day is None or not 1 <= month <= 12:
            raise Refused(WRONG_PARAMETER, "a due date is a day of a month")
        return lambda: setattr(self.meter, "due", (month, day))

    def _key(self, octets: bytes, trusted: bool) -> Deed:
        if self.default_key is None:
            raise Refused(ACCESS_DENIED, "there is no key under which a new one could come")
        try:
            new = unwrap(self.default_key, octets, self.address)
        except DecodeError as error:
            raise Refused(WRONG_PARAMETER, error.what) from None
        except SecurityError:
            raise Refused(WRONG_KEY, "the new key is wrapped under another key") from None
        if new.counter is None:
            # Nothing proves this form: anybody could lock the meter out with octets of his choice.
            if not trusted:
                raise Refused(ACCESS_DENIED, "a key without a counter in clear")
        elif new.counter <= self.key_counter:
            raise Refused(ACCESS_DENIED, f"key change counter {new.counter} is not above {self.key_counter}")
        return lambda: self._take(new.key, new.key_id or 0, new.counter)

    def _take(self, key: bytes, key_id: int, counter: int | None) -> None:
        if counter is not None:
            self.key_counter = counter
        self.install(key, key_id)


def _body(record: Record) -> bytes:
    return record.data[1:] if record.head.size < 0 else record.data

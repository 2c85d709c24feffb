"""Verbs of a client as conversations, and the store behind its typed objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from cosem.association.steps import Step
from cosem.classes.model import Attribute, InterfaceClass, Method, Selection
from cosem.client.core import Core, Talk
from cosem.codec.axdr import Data, Tag
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.times import ClockStatus, CosemDateTime
from cosem.units import Quantity

DISCONNECTOR, LIMITER = "0-0:96.3.10.255", "0-0:17.0.0.255"
ACCOUNT, TOKEN_GATEWAY = "0-0:19.0.0.255", "0-0:19.40.0.255"
"""Where an electricity meter has them, unless another name is given."""


class RemoteStore:
    """The store behind the objects of a meter; `run` carries a conversation out."""

    def __init__(self, core: Core, run: Callable[[Talk[Any]], Any]) -> None:
        self._core = core
        self._run = run

    def read(self, obj: InterfaceClass[Any], attribute: Attribute[Any], selection: Selection | None = None) -> Any:
        """Read an attribute."""
        return self._run(self._core.read(obj, attribute, selection))

    def write(self, obj: InterfaceClass[Any], attribute: Attribute[Any], value: Any) -> None:
        """Write an attribute."""
        self._run(self._core.write(obj, attribute, value))

    def invoke(self, obj: InterfaceClass[Any], method: Method[Any, Any], parameter: Any) -> Any:
        """Invoke a method."""
        return self._run(self._core.invoke(obj, method, parameter))


class AsyncRemoteStore(RemoteStore):
    """The same where `run` returns an awaitable that carries a conversation out."""

    def write(  # type: ignore[override]
        self, obj: InterfaceClass[Any], attribute: Attribute[Any], value: Any
    ) -> Awaitable[None]:
        """Refuse an assignment: nobody would await it."""
        raise ConfigError(f"an asynchronous attribute is written with `await meter.set(..., {attribute.name})`")


def quantity(core: Core, class_id: int, name: Obis) -> Generator[Step, Any, Quantity]:
    """Read a register's value, scaler and unit."""
    scaler_unit = yield from core.scaler_unit(class_id, name)
    data = yield from core.get_data(class_id, name, 2)
    if scaler_unit is None or not isinstance(data.value, (int, float)):
        raise ConfigError(f"{name} is no register with scaler and unit")
    return scaler_unit.quantity(data.value)


def set_clock(core: Core, moment: datetime | CosemDateTime | None) -> Generator[Step, Any, CosemDateTime]:
    """Write the time, in the type the meter has; an aware moment in the deviation that the meter shows."""
    clock = core.options.clock
    shown = yield from core.get_data(8, clock, 2)
    if isinstance(moment, CosemDateTime):
        written = moment
    else:
        written = _in_deviation(datetime.now(UTC) if moment is None else moment, shown)
    tag = Tag.DATE_TIME if shown.tag is Tag.DATE_TIME else Tag.OCTET_STRING
    yield from core.set_data(8, clock, 2, Data(tag, written.to_octets()))
    return written


def _in_deviation(moment: datetime, shown: Data) -> CosemDateTime:
    if moment.tzinfo is None or not isinstance(shown.value, bytes) or len(shown.value) != 12:
        return CosemDateTime.from_datetime(moment)
    meter = CosemDateTime.from_octets(shown.value)
    if meter.deviation is None or not meter.in_range:
        return CosemDateTime.from_datetime(moment)
    zone = timezone(timedelta(minutes=-meter.deviation))
    # Of the status, daylight saving belongs to the deviation; that the old time was doubtful does not concern the new.
    status = (meter.clock_status or 0) & ClockStatus.DAYLIGHT_SAVING
    try:
        local = moment.astimezone(zone)
    except OverflowError:
        raise ConfigError(f"{moment.isoformat()} is in no year that a clock of this deviation shows") from None
    return CosemDateTime.from_datetime(local, int(status))

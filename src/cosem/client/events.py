"""Events, alarms and pushes of a meter as verbs: read the logs, see and clear the alarms, say where pushes go."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from cosem.association.steps import Step
from cosem.classes.c040_push_setup import MessageType, SendDestinationAndMethod, TransportService
from cosem.classes.common import CaptureObject
from cosem.classes.protection import Restriction
from cosem.client.core import Core
from cosem.client.profile import ProfileReader
from cosem.client.supply import attributes
from cosem.client.table import When
from cosem.client.url import MeterUrl
from cosem.codec.axdr import Data, Tag
from cosem.companions.companion import Companion, EventGroup, Register, companion
from cosem.errors import AccessError, ConfigError, CosemError
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.times import CosemDateTime

PUSH_SETUP, DATA = 40, 1
ALARM_PUSH = Obis.parse("0-4:25.9.0.255")
"""The push setup of alarms, where none is named."""
_ABSENT = (
    DataAccessResult.OBJECT_UNDEFINED,
    DataAccessResult.OBJECT_UNAVAILABLE,
    DataAccessResult.OBJECT_CLASS_INCONSISTENT,
    DataAccessResult.READ_WRITE_DENIED,
)
_SERVICES = {
    ("tcp", "wrapper"): TransportService.TCP,
    ("udp", "wrapper"): TransportService.UDP,
    ("tcp", "hdlc"): TransportService.HDLC,
    ("tcp", "mbus"): TransportService.M_BUS,
}
_SCHEMES = {
    TransportService.TCP: "tcp",
    TransportService.UDP: "udp",
    TransportService.HDLC: "hdlc+tcp",
    TransportService.M_BUS: "mbus+tcp",
}


@dataclass(frozen=True, slots=True)
class MeterEvent:
    """One row of an event log. `words` is empty for a code that the companion profile does not know.

    `time` is what the meter wrote, `extra` what the log holds beside time and code.
    """

    time: CosemDateTime
    group: str
    code: int
    words: str
    extra: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmState:
    """One alarm register: what it holds, what its descriptor holds (None where there is none), and their words."""

    name: Obis
    value: int
    descriptor: int | None
    words: tuple[str, ...]
    descriptor_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PushState:
    """How a push setup stands: where it sends (no destination: nowhere), what, and how patiently, in seconds.

    `delay` is that before the second attempt.
    """

    name: Obis
    service: TransportService
    destination: bytes
    objects: tuple[CaptureObject, ...]
    randomisation: int
    retries: int
    delay: int

    @property
    def url(self) -> str:
        """Return where it sends, as `push_destination` takes it; nothing where it sends nowhere."""
        if not self.destination:
            return ""
        place = self.destination.decode("ascii", "replace")
        return f"{_SCHEMES.get(self.service, f'service {int(self.service)}')}://{place}"


def read_events(
    core: Core, start: When = None, end: When = None, *, groups: Sequence[str] = (), profile: str = "idis"
) -> Generator[Step, Any, list[MeterEvent]]:
    """Read the event logs of a companion profile, or some of its groups; rows in order of time, of one log as they are.

    Logs that the meter does not have are left out. Raises `ConfigError` for an unknown group or profile.
    """
    known = companion(profile)
    events: list[MeterEvent] = []
    for group in _chosen(known, groups):
        try:
            table = yield from ProfileReader(core, group.log).read(start, end)
        except AccessError as error:
            if error.result in _ABSENT:
                continue
            raise
        at = next((n for n, column in enumerate(table.columns) if column.obis == group.code), 1)
        for time, row in zip(table.times(), table.rows, strict=True):
            code = row[at]
            if isinstance(code, int):
                extra = tuple(value for n, value in enumerate(row) if n not in (0, at))
                events.append(MeterEvent(time or CosemDateTime(), group.name, code, group.words(code), extra))
    events.sort(key=_moment)
    return events


def _chosen(known: Companion, groups: Sequence[str]) -> list[EventGroup]:
    names = [group.name for group in known.groups]
    for name in groups:
        if name not in names:
            raise ConfigError(f"{known.title} has no group {name!r}; it has {', '.join(names)}")
    return [group for group in known.groups if not groups or group.name in groups]


def _moment(event: MeterEvent) -> float:
    try:
        moment = event.time.to_datetime()
    except (CosemError, ValueError):
        return 0.0  # what has no time stands first
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def read_alarms(core: Core, profile: str = "idis") -> Generator[Step, Any, list[AlarmState]]:
    """Read the alarm registers and descriptors that the meter has."""
    states: list[AlarmState] = []
    for register in companion(profile).alarms:
        value = yield from _number(core, register.register)
        if value is None:
            continue
        descriptor = None if register.descriptor is None else (yield from _number(core, register.descriptor))
        states.append(_state(register, value, descriptor))
    return states


def _state(register: Register, value: int, descriptor: int | None) -> AlarmState:
    words = register.words(descriptor or 0)
    return AlarmState(register.register, value, descriptor, register.words(value), words)


def _number(core: Core, name: Obis) -> Generator[Step, Any, int | None]:
    try:
        data = yield from core.get_data(DATA, name, 2)
    except AccessError as error:
        if error.result in _ABSENT:
            return None
        raise
    return data.value if isinstance(data.value, int) else None


def clear_alarms(core: Core, profile: str = "idis") -> Generator[Step, Any, list[AlarmState]]:
    """Clear descriptors, then registers, and return what they held. What happened since they were read stays.

    The bits that were read are cleared, no others: what comes between the reading and the writing is not lost.
    """
    states = yield from read_alarms(core, profile)
    layouts = {layout.register: layout for layout in companion(profile).alarms}
    for state in states:
        descriptor = layouts[state.name].descriptor
        for name, seen in ((descriptor, state.descriptor), (state.name, state.value)):
            if not seen or name is None:
                continue
            present = yield from _number(core, name)
            left = (present or 0) & ~seen
            yield from core.set_data(DATA, name, 2, Data(Tag.DOUBLE_LONG_UNSIGNED, left))
    return states


def push_destination(text: str) -> tuple[TransportService, bytes]:
    """Return transport service and destination of ``HOST:PORT`` (TCP) or a URL. Raises `ConfigError`."""
    url = MeterUrl.parse(text if "://" in text else f"tcp://{text}", pushes=True)
    service = _SERVICES.get((url.transport, url.framing))
    if service is None or not url.host:
        raise ConfigError("pushes go to HOST:PORT, udp://, hdlc+tcp:// or mbus+tcp://HOST:PORT")
    host = f"[{url.host}]" if ":" in url.host else url.host
    return service, f"{host}:{url.port}".encode("ascii")


def configure_push(
    core: Core,
    to: str,
    *,
    setup: Obis = ALARM_PUSH,
    objects: Sequence[CaptureObject] | None = None,
    randomisation: int | None = None,
    retries: int | None = None,
    delay: int | None = None,
) -> Generator[Step, Any, PushState]:
    """Say where a push setup sends, and if given what (class, name, attribute, data_index), and how patiently.

    Returns how the setup stands then.

    `to` is HOST:PORT or a URL; `delay` seconds between attempts. Everything is checked before anything is written; the
    destination comes last, so that nothing is sent half-configured. Raises `AccessError`.
    """
    service, destination = push_destination(to)
    version, obj = yield from _push_setup(core, setup)
    planned: list[tuple[int, Any]] = []
    if objects is not None:
        tail = ((), (Restriction(),), (Restriction(), ()))[min(version, 2)]
        planned.append((2, [(*item, *tail) for item in objects]))
    if randomisation is not None:
        planned.append((5, randomisation))
    if retries is not None:
        planned.append((6, retries))
    if delay is not None:
        planned.append((7, delay if version < 2 else (delay, 100, delay)))
    planned.append((3, SendDestinationAndMethod(service, destination, MessageType.A_XDR_ENCODED_XDLMS_APDU)))
    written = [(number, obj.attributes[number].type.to_data(value)) for number, value in planned]
    for number, data in written:
        yield from core.set_data(PUSH_SETUP, setup, number, data)
    return (yield from push_state(core, setup))


def push_state(core: Core, setup: Obis = ALARM_PUSH) -> Generator[Step, Any, PushState]:
    """Read what a push setup sends, where and how patiently. Raises `ConfigError` for another object."""
    _, obj = yield from _push_setup(core, setup)
    found = yield from attributes(core, obj, (2, 3, 5, 6, 7))
    objects, to, randomisation, retries, delay = (value for _, value in found)
    least = delay if isinstance(delay, int) else delay.repetition_delay_min
    references = tuple(CaptureObject(*item[:4]) for item in objects)
    return PushState(setup, to.transport_service, bytes(to.destination), references, randomisation, retries, least)


def _push_setup(core: Core, setup: Obis) -> Generator[Step, Any, tuple[int, Any]]:
    """Return version and object of a push setup."""
    element = yield from core.find(setup)
    if element.class_id != PUSH_SETUP:
        raise ConfigError(f"{setup} is no push setup but of class {element.class_id}")
    return element.version, (yield from core.bound(setup, None))

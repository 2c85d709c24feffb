"""`connect`: a URL and a key file in, a meter with typed objects out, synchronous or asynchronous."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from cosem.association.initiator import Initiator
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Step
from cosem.classes.access import ObjectListElement
from cosem.classes.c008_clock import Clock
from cosem.classes.model import Attribute, InterfaceClass, Method, Selection
from cosem.client.core import ClientOptions, Core
from cosem.client.keyfile import DeviceKeys, KeyFile
from cosem.client.profile import ProfileInterrupted, ProfileReader, ProfileTable, When
from cosem.client.url import MeterUrl
from cosem.codec.axdr import Data, Tag
from cosem.errors import AccessError, ConfigError, CosemError, ExceptionResponseReceived, KeyMissing
from cosem.obis import Obis, obis
from cosem.times import CosemDateTime
from cosem.units import Quantity

if TYPE_CHECKING:
    from cosem.io.blocking import Trace
    from cosem.link.base import Link
    from cosem.security.counters import CounterStore

T = TypeVar("T")
C = TypeVar("C", bound=InterfaceClass)
V = TypeVar("V")

PUBLIC_CLIENT = 16
DEFAULT_TITLE = b"CSM\x00\x00\x00\x00\x10"
"""Client system title where none is given; a real one is the utility's own."""
COUNTER_ERROR = 6


class Plan:
    """Everything `connect` has to decide, apart from how octets travel: settings, counters, links."""

    def __init__(
        self,
        url: MeterUrl | str,
        *,
        keys: KeyFile | Path | str | None = None,
        device: DeviceKeys | None = None,
        counters: CounterStore | Path | str | None = None,
        options: ClientOptions | None = None,
        user_id: int | None = None,
        weak_mechanisms: frozenset[int] | None = None,
    ) -> None:
        self.url = MeterUrl.parse(url) if isinstance(url, str) else url
        self.options = options or ClientOptions()
        if device is None:
            file = keys if isinstance(keys, KeyFile) else KeyFile.find(keys)
            device = file.device(self.url.device)
        self.device = device
        self._counters = counters
        self.counter_floor = 0
        self.weak = weak_mechanisms
        self.settings = self._settings(user_id)

    def _settings(self, user_id: int | None) -> AssociationSettings:
        url, device = self.url, self.device
        secret = device.password if url.mechanism == 1 else device.hls_secret
        if url.mechanism == 1 and secret is None:
            raise KeyMissing("auth=low needs a password: write it into the key file or COSEM_PASSWORD")
        if url.mechanism in (2, 3, 4, 6) and secret is None:
            raise KeyMissing("this authentication needs hls_secret in the key file")
        guarded = bool(url.security) or url.mechanism == 5
        if guarded:
            for name in ("global_unicast_encryption_key", "authentication_key"):
                wanted = name == "global_unicast_encryption_key" or url.mechanism == 5 or url.security & 0x10
                if wanted and getattr(device.keys, name) is None:
                    raise KeyMissing(f"{name} is needed: write it into the key file")
        settings = AssociationSettings(
            client_sap=url.client,
            server_sap=url.server,
            physical=url.physical,
            mechanism=url.mechanism,
            secret=secret,
            protection=url.security,
            ciphering=url.ciphering,
            suite=device.suite,
            keys=device.keys,
            system_title=device.client_system_title or DEFAULT_TITLE,
            meter_system_title=device.system_title or b"",
            user_id=user_id,
            # Whoever writes auth=high-md5 has named it.
            weak_mechanisms=frozenset({url.mechanism}) if self.weak is None else self.weak,
            allow_unverified=not device.verify,
        )
        if url.timeout is not None:
            settings.response_timeout = settings.connect_timeout = url.timeout
        if guarded:
            settings.lease = self.lease
        return settings

    def link(self) -> Link:
        """Return a new link of the URL's framing."""
        if self.url.framing == "hdlc":
            from cosem.link.hdlc.link import HdlcLink

            return HdlcLink()
        from cosem.link.wrapper import WrapperLink

        return WrapperLink()

    def lease(self, count: int) -> tuple[int, int]:
        """Persist and return a block of invocation counters."""
        return self._store().lease(self._counter_name(), count, self.counter_floor)

    def _store(self) -> CounterStore:
        from cosem.io.counterstore import FileCounterStore

        if self._counters is None or isinstance(self._counters, (str, Path)):
            self._counters = FileCounterStore(self._counters)
        return self._counters

    def _counter_name(self) -> str:
        """A counter belongs to a key and a sender. The key is named by a digest that tells nothing about it."""
        key = self.device.keys.global_unicast_encryption_key or b""
        digest = hashlib.sha256(b"cosem invocation counter" + key).hexdigest()[:16]
        return f"{self.settings.system_title.hex()}-{digest}"

    def core(self) -> Core:
        """Return the conversations of a new machine."""
        return Core(Initiator(self.link(), self.settings), secrets.token_bytes, self.options)

    def public_core(self) -> Core:
        """Return those of the public client, which reads the invocation counter."""
        settings = AssociationSettings(
            client_sap=PUBLIC_CLIENT,
            server_sap=self.url.server,
            physical=self.url.physical,
            response_timeout=self.settings.response_timeout,
            connect_timeout=self.settings.connect_timeout,
        )
        return Core(Initiator(self.link(), settings), secrets.token_bytes, self.options)


def read_counter(core: Core, name: str) -> Generator[Step, Any, int]:
    """Read an invocation-counter object over the public association and return what must be sent at least."""
    yield from core.open()
    try:
        data = yield from core.get_data(1, Obis.parse(name), 2)
    finally:
        yield from core.close()
    if not isinstance(data.value, int):
        raise ConfigError(f"{name} holds no number: it is no invocation counter")
    return data.value + 1


def open_meter(plan: Plan, core: Core) -> Generator[Step, Any, None]:
    """Associate; a meter that names the counter it wants gets it, once."""
    try:
        yield from core.open()
    except ExceptionResponseReceived as error:
        if error.service_error != COUNTER_ERROR or not error.invocation_counter:
            raise
        plan.counter_floor = error.invocation_counter
        yield from core.open()


class RemoteStore:
    """The store behind the objects of a meter; `run` carries a conversation out (or returns an awaitable that does)."""

    def __init__(self, core: Core, run: Any) -> None:
        self._core = core
        self._run = run

    def read(self, obj: InterfaceClass, attribute: Attribute[Any], selection: Selection | None = None) -> Any:
        """Read an attribute."""
        return self._run(self._core.read(obj, attribute, selection))

    def write(self, obj: InterfaceClass, attribute: Attribute[Any], value: Any) -> Any:
        """Write an attribute."""
        return self._run(self._core.write(obj, attribute, value))

    def invoke(self, obj: InterfaceClass, method: Method[Any, Any], parameter: Any) -> Any:
        """Invoke a method."""
        return self._run(self._core.invoke(obj, method, parameter))


class Meter:
    """A meter that is associated, synchronous. Use it as a context manager, or call `close`.

    ``meter[Register, "1-0:1.8.0"].value`` reads; an assignment writes; methods are called. Objects raise `AccessError`
    with the result's name.
    """

    def __init__(self, plan: Plan, *, trace: Trace | None = None) -> None:
        from cosem.io.blocking import BlockingDriver, TcpTransport

        self.plan = plan
        transport = TcpTransport(plan.url.host, plan.url.port, timeout=plan.settings.connect_timeout)
        if plan.url.counter is not None and plan.settings.lease is not None:
            public = plan.public_core()
            driver = BlockingDriver(public.machine, transport, trace=trace)
            plan.counter_floor = driver.run(read_counter(public, plan.url.counter))
        self.core = plan.core()
        self._driver = BlockingDriver(self.core.machine, transport, trace=trace)
        self._store = RemoteStore(self.core, self.run)
        try:
            self.run(open_meter(plan, self.core))
        except BaseException:
            self._driver.close()
            raise

    def run(self, conversation: Generator[Step, Any, T]) -> T:
        """Run a conversation of your own on this meter."""
        return self._driver.run(conversation)

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the association and close the connection."""
        try:
            self.run(self.core.close())
        except CosemError:
            # The connection may be gone already; closing is no moment to complain.
            pass
        finally:
            self._driver.close()

    # --- objects -------------------------------------------------------------------------------------------

    @overload
    def __getitem__(self, which: tuple[type[C], str | Obis]) -> C: ...
    @overload
    def __getitem__(self, which: str | Obis) -> InterfaceClass: ...
    def __getitem__(self, which: tuple[type[C], str | Obis] | str | Obis) -> C | InterfaceClass:
        """Return an object: by class and logical name, or by name alone (then the object list is read once)."""
        if isinstance(which, tuple):
            kind, name = which
            return kind(obis(name), self._store)
        return self.run(self.core.bound(obis(which), self._store))

    def objects(self) -> dict[Obis, ObjectListElement]:
        """Return the object list of the association."""
        return self.run(self.core.object_list())

    def get(self, class_id: int, name: str | Obis, attribute: int, selection: Selection | None = None) -> Data:
        """Read any attribute as `Data`."""
        return self.run(self.core.get_data(class_id, obis(name), attribute, selection))

    def get_many(self, targets: Sequence[tuple[int, str | Obis, int]]) -> list[Data | AccessError]:
        """Read several attributes (class, name, attribute); what fails is its `AccessError`."""
        return self.run(self.core.read_many([(c, obis(n), a) for c, n, a in targets]))

    def set(self, class_id: int, name: str | Obis, attribute: int, value: Data) -> None:
        """Write any attribute."""
        self.run(self.core.set_data(class_id, obis(name), attribute, value))

    def call(self, class_id: int, name: str | Obis, method: int, parameter: Data | None = None) -> Data | None:
        """Invoke any method."""
        return self.run(self.core.call_data(class_id, obis(name), method, parameter))

    def quantity(self, name: str | Obis, class_id: int = 3) -> Quantity:
        """Read a register's value with its unit, exactly."""
        return self.run(quantity(self.core, class_id, obis(name)))

    # --- verbs ---------------------------------------------------------------------------------------------

    def profile(self, name: str | Obis) -> Profile:
        """Return a profile, to be read."""
        return Profile(self, ProfileReader(self.core, obis(name)))

    def clock(self) -> CosemDateTime:
        """Read the time."""
        return self[Clock, self.core.options.clock].time

    def set_clock(self, moment: datetime | CosemDateTime | None = None) -> CosemDateTime:
        """Set the time (to now without one) and return what was written, in the meter's own deviation."""
        return self.run(set_clock(self.core, moment))


class Profile:
    """A profile of a synchronous meter."""

    def __init__(self, meter: Meter, reader: ProfileReader) -> None:
        self._meter = meter
        self.reader = reader

    def columns(self) -> Sequence[Any]:
        """Return the columns."""
        return self._meter.run(self.reader.describe())

    def read(
        self,
        start: When = None,
        end: When = None,
        *,
        columns: Sequence[str | Obis] = (),
        entries: tuple[int, int] | None = None,
    ) -> ProfileTable:
        """Read rows; see `cosem.client.profile.ProfileReader.read`."""
        names = [obis(name) for name in columns]
        return self._meter.run(self.reader.read(start, end, columns=names, entries=entries))

    def read_columns(self, start: When = None, end: When = None, *, native: bool = False) -> Any:
        """Read into NumPy columns."""
        return self._meter.run(self.reader.read_columns(start, end, native=native))

    def resume(self, interrupted: ProfileInterrupted, end: When = None) -> ProfileTable:
        """Read the rest after an interruption, dialling anew where needed."""
        core = self._meter.core
        if not core.associated:
            self._meter.run(core.open())
        return self._meter.run(self.reader.resume(interrupted, end))


def connect(
    url: MeterUrl | str,
    *,
    keys: KeyFile | Path | str | None = None,
    device: DeviceKeys | None = None,
    counters: CounterStore | Path | str | None = None,
    options: ClientOptions | None = None,
    user_id: int | None = None,
    trace: Trace | None = None,
) -> Meter:
    """Connect to a meter, associate, and return it.

    `keys` is a key file; `device` gives the secrets directly. `counters` is where invocation counters are kept (a file
    in the user's state directory without one). Raises `ConfigError`, `KeyMissing`, `ConnectionLost`, `Timeout` with a
    diagnosis, `AssociationRejected` and other `CosemError`s.
    """
    plan = Plan(url, keys=keys, device=device, counters=counters, options=options, user_id=user_id)
    return Meter(plan, trace=trace)


# --- conversations of verbs -------------------------------------------------------------------------------------


def quantity(core: Core, class_id: int, name: Obis) -> Generator[Step, Any, Quantity]:
    """Read a register's value, scaler and unit."""
    scaler_unit = yield from core.scaler_unit(class_id, name)
    data = yield from core.get_data(class_id, name, 2)
    if scaler_unit is None or not isinstance(data.value, (int, float)):
        raise ConfigError(f"{name} is no register with scaler and unit")
    return scaler_unit.quantity(data.value)


def set_clock(core: Core, moment: datetime | CosemDateTime | None) -> Generator[Step, Any, CosemDateTime]:
    """Write the time; an aware moment is written in the deviation that the meter shows."""
    clock = core.options.clock
    if isinstance(moment, CosemDateTime):
        written = moment
    else:
        shown = yield from core.get_data(8, clock, 2)
        written = _in_deviation(datetime.now(UTC) if moment is None else moment, shown)
    yield from core.set_data(8, clock, 2, Data(Tag.OCTET_STRING, written.to_octets()))
    return written


def _in_deviation(moment: datetime, shown: Data) -> CosemDateTime:
    if moment.tzinfo is None or not isinstance(shown.value, bytes) or len(shown.value) != 12:
        return CosemDateTime.from_datetime(moment)
    meter = CosemDateTime.from_octets(shown.value)
    if meter.deviation is None:
        return CosemDateTime.from_datetime(moment)
    from datetime import timedelta, timezone

    zone = timezone(timedelta(minutes=-meter.deviation))
    return CosemDateTime.from_datetime(moment.astimezone(zone), meter.clock_status)


# --- asynchronous ------------------------------------------------------------------------------------------------


class AsyncMeter:
    """A meter that is associated, asynchronous: what `Meter` answers, this gives as awaitables.

    ``await meter[Register, "1-0:1.8.0"].value`` reads, ``await meter.get(Register.value, name)`` reads with its type
    known, ``await meter.set(...)`` writes, ``await meter[DisconnectControl, name].remote_disconnect()`` calls.
    """

    def __init__(self, plan: Plan, *, trace: Trace | None = None) -> None:
        self.plan = plan
        self._trace = trace
        self.core = plan.core()
        self._store = RemoteStore(self.core, self.run)
        self._driver: Any = None

    async def open(self) -> AsyncMeter:
        """Connect and associate."""
        plan = self.plan
        if plan.url.counter is not None and plan.settings.lease is not None:
            public = plan.public_core()
            driver = self._make_driver(public)
            try:
                plan.counter_floor = await driver.run(read_counter(public, plan.url.counter))
            finally:
                driver.close()
        self._driver = self._make_driver(self.core)
        try:
            await self.run(open_meter(plan, self.core))
        except BaseException:
            self._driver.close()
            raise
        return self

    def _make_driver(self, core: Core) -> Any:
        from cosem.io.aio import AsyncioDriver

        url = self.plan.url
        return AsyncioDriver(
            core.machine, url.host, url.port, timeout=self.plan.settings.connect_timeout, trace=self._trace
        )

    def run(self, conversation: Generator[Step, Any, T]) -> Awaitable[T]:
        """Return an awaitable that runs a conversation of your own on this meter."""
        answer: Awaitable[T] = self._driver.run(conversation)
        return answer

    async def __aenter__(self) -> AsyncMeter:
        return self if self._driver is not None else await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the association and close the connection."""
        try:
            await self.run(self.core.close())
        except CosemError:
            pass
        finally:
            self._driver.close()

    def __getitem__(self, which: tuple[type[C], str | Obis]) -> AsyncObject[C]:
        kind, name = which
        return AsyncObject(kind(obis(name), self._store))

    async def object(self, name: str | Obis) -> AsyncObject[InterfaceClass]:
        """Return an object by its name alone; the object list is read once."""
        return AsyncObject(await self.run(self.core.bound(obis(name), self._store)))

    async def objects(self) -> dict[Obis, ObjectListElement]:
        """Return the object list of the association."""
        return await self.run(self.core.object_list())

    async def get(self, attribute: Attribute[V], name: str | Obis) -> V:
        """Read one attribute, with its type: ``await meter.get(Register.value, "1-0:1.8.0")``."""
        return await self.run(self.core.read(_Named(obis(name)), attribute))  # type: ignore[arg-type]

    async def set(self, attribute: Attribute[V], name: str | Obis, value: V | Data) -> None:
        """Write one attribute."""
        await self.run(self.core.write(_Named(obis(name)), attribute, value))  # type: ignore[arg-type]

    async def get_many(self, targets: Sequence[tuple[int, str | Obis, int]]) -> list[Data | AccessError]:
        """Read several attributes (class, name, attribute); what fails is its `AccessError`."""
        return await self.run(self.core.read_many([(c, obis(n), a) for c, n, a in targets]))

    async def quantity(self, name: str | Obis, class_id: int = 3) -> Quantity:
        """Read a register's value with its unit, exactly."""
        return await self.run(quantity(self.core, class_id, obis(name)))

    async def profile(
        self,
        name: str | Obis,
        start: When = None,
        end: When = None,
        *,
        columns: Sequence[str | Obis] = (),
        entries: tuple[int, int] | None = None,
    ) -> ProfileTable:
        """Read a profile; see `cosem.client.profile.ProfileReader.read`."""
        reader = ProfileReader(self.core, obis(name))
        names = [obis(item) for item in columns]
        return await self.run(reader.read(start, end, columns=names, entries=entries))

    async def clock(self) -> CosemDateTime:
        """Read the time."""
        return await self.get(Clock.time, self.core.options.clock)

    async def set_clock(self, moment: datetime | CosemDateTime | None = None) -> CosemDateTime:
        """Set the time (to now without one)."""
        return await self.run(set_clock(self.core, moment))


class _Named:
    """The part of an object that reading and writing need: its logical name."""

    def __init__(self, name: Obis) -> None:
        self.obis = name


class AsyncObject(Generic[C]):
    """An object whose attributes are awaitables and whose methods return them."""

    def __init__(self, obj: C) -> None:
        object.__setattr__(self, "_obj", obj)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._obj, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise ConfigError(f"an asynchronous attribute is written with `await meter.set(..., {name})`")

    def __repr__(self) -> str:
        return f"<async {self._obj!r}>"


async def connect_async(
    url: MeterUrl | str,
    *,
    keys: KeyFile | Path | str | None = None,
    device: DeviceKeys | None = None,
    counters: CounterStore | Path | str | None = None,
    options: ClientOptions | None = None,
    user_id: int | None = None,
    trace: Trace | None = None,
) -> AsyncMeter:
    """Connect to a meter inside a running event loop; otherwise as `connect`."""
    plan = Plan(url, keys=keys, device=device, counters=counters, options=options, user_id=user_id)
    return await AsyncMeter(plan, trace=trace).open()

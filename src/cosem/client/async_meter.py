"""`connect_async`: a meter inside an event loop, with the same conversations as the synchronous one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from cosem.association.steps import Step
from cosem.classes.c008_clock import Clock
from cosem.classes.model import AsyncStore, Attribute, InterfaceClass
from cosem.client.core import ClientOptions, Core
from cosem.client.keyfile import DeviceKeys, KeyFile
from cosem.client.plan import Plan, open_meter, read_counter
from cosem.client.profile import ProfileInterrupted, ProfileReader
from cosem.client.table import ProfileTable, When
from cosem.client.url import MeterUrl
from cosem.client.verbs import ACCOUNT, DISCONNECTOR, LIMITER, TOKEN_GATEWAY, AsyncRemoteStore, quantity, set_clock
from cosem.codec.axdr import Data
from cosem.errors import AccessError, CosemError
from cosem.obis import Obis, obis
from cosem.times import CosemDateTime
from cosem.units import Quantity

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    from cosem.classes.access import ObjectListElement
    from cosem.client.calendars import Calendar
    from cosem.client.events import AlarmState, MeterEvent, PushState
    from cosem.client.firmware import ImageReport
    from cosem.client.inbound import Greeting
    from cosem.client.messages import Messages
    from cosem.client.payment import AccountState, TokenResult
    from cosem.client.supply import Limits, Supply
    from cosem.client.survey import Progress
    from cosem.client.utility import UtilityDevice
    from cosem.io.aio import Opener
    from cosem.io.blocking import Trace
    from cosem.models.model import DeviceModel
    from cosem.security.counters import CounterStore
    from cosem.security.keys import Keys

T = TypeVar("T")
C = TypeVar("C", bound=InterfaceClass[AsyncStore])
V = TypeVar("V")
MAX_WINDOW = 8
"""Verbs side by side at most: there are 16 invoke-ids, and those of unanswered requests rest for a while."""


class AsyncMeter:
    """A meter that is associated, asynchronous: what `Meter` answers, this gives as awaitables.

    ``await meter[Register, "1-0:1.8.0"].value`` reads, ``await meter.get(Register.value, name)`` reads with its type
    known, ``await meter.set(...)`` writes, ``await meter[DisconnectControl, name].remote_disconnect()`` calls.
    """

    def __init__(self, plan: Plan, *, trace: Trace | None = None, opener: Opener | None = None) -> None:
        self.plan = plan
        self._opener = opener or plan.opener()
        self._trace = trace
        self.core = plan.core()
        self._store: AsyncStore = AsyncRemoteStore(self.core, self._in_turn)
        self._turns = asyncio.Semaphore(min(self.core.options.window, MAX_WINDOW))
        self._driver: Any = None
        self.greeting: Greeting | None = None
        """Who called, where the meter opened the connection."""

    async def open(self) -> AsyncMeter:
        """Connect and associate."""
        plan = self.plan
        if plan.url.counter is not None and plan.settings.lease is not None:
            public = plan.public_core()
            driver = self._make_driver(public)
            try:
                plan.counter_floor = await driver.run(read_counter(public, plan.url.counter, plan.repeats))
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
            core.machine,
            url.host,
            url.port,
            timeout=self.plan.settings.connect_timeout,
            trace=self._trace,
            opener=self._opener,
        )

    def run(self, conversation: Generator[Step, Any, T]) -> Awaitable[T]:
        """Return an awaitable that runs a conversation of your own on this meter."""
        answer: Awaitable[T] = self._driver.run(conversation)
        return answer

    async def _in_turn(self, conversation: Generator[Step, Any, T]) -> T:
        """Run one of the verbs: as many side by side as the options' window says, because meters differ in that."""
        async with self._turns:
            return await self.run(conversation)

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

    def __getitem__(self, which: tuple[Callable[[Obis, AsyncStore], C], str | Obis]) -> C:
        kind, name = which
        return kind(obis(name), self._store)

    async def object(self, name: str | Obis) -> InterfaceClass[AsyncStore]:
        """Return an object by its name alone; the object list is read once."""
        return await self._in_turn(self.core.bound(obis(name), self._store))

    async def objects(self) -> dict[Obis, ObjectListElement]:
        """Return the object list of the association."""
        return await self._in_turn(self.core.object_list())

    async def model(
        self, *, values: bool = False, rows: int | None = None, progress: Progress | None = None
    ) -> DeviceModel:
        """Return what the meter consists of, as a model; see `cosem.client.survey.survey`."""
        from cosem.client.survey import survey  # what no other verb needs

        return await self._in_turn(survey(self.core, values=values, rows=rows, progress=progress))

    async def get(self, attribute: Attribute[V], name: str | Obis) -> V:
        """Read one attribute, with its type: ``await meter.get(Register.value, "1-0:1.8.0")``."""
        return await self._in_turn(self.core.read(_Named(obis(name)), attribute))  # type: ignore[arg-type]

    async def set(self, attribute: Attribute[V], name: str | Obis, value: V | Data) -> None:
        """Write one attribute."""
        await self._in_turn(self.core.write(_Named(obis(name)), attribute, value))  # type: ignore[arg-type]

    async def get_many(self, targets: Sequence[tuple[int, str | Obis, int]]) -> list[Data | AccessError]:
        """Read several attributes (class, name, attribute); what fails is its `AccessError`."""
        return await self._in_turn(self.core.read_many([(c, obis(n), a) for c, n, a in targets]))

    async def quantity(self, name: str | Obis, class_id: int = 3) -> Quantity:
        """Read a register's value with its unit, exactly."""
        return await self._in_turn(quantity(self.core, class_id, obis(name)))

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
        return await self._in_turn(reader.read(start, end, columns=names, entries=entries))

    async def resume(self, interrupted: ProfileInterrupted, end: When = None) -> ProfileTable:
        """Read the rest of a profile after an interruption, dialling anew where needed."""
        return await self._in_turn(ProfileReader(self.core, interrupted.profile).resume(interrupted, end))

    async def clock(self) -> CosemDateTime:
        """Read the time."""
        return await self.get(Clock.time, self.core.options.clock)

    async def set_clock(self, moment: datetime | CosemDateTime | None = None) -> CosemDateTime:
        """Set the time (to now without one)."""
        return await self._in_turn(set_clock(self.core, moment))

    async def calendar(self, *, passive: bool = False) -> Calendar:
        """Read the activity calendar (0-0:13.0.0) with the special days (0-0:11.0.0)."""
        from cosem.client.calendars import read_calendar

        return await self._in_turn(read_calendar(self.core, passive=passive))

    async def set_calendar(self, calendar: Calendar, at: datetime | CosemDateTime | None = None) -> None:
        """Write the passive calendar and activate it: now, or `at` a time; see `cosem.client.calendars`."""
        from cosem.client.calendars import set_calendar

        await self._in_turn(set_calendar(self.core, calendar, at))

    async def supply(self, name: str | Obis = DISCONNECTOR) -> Supply:
        """Read how a disconnector stands."""
        from cosem.client.supply import supply

        return await self._in_turn(supply(self.core, obis(name)))

    async def disconnect(self, name: str | Obis = DISCONNECTOR) -> Supply:
        """Disconnect the premises and return how the disconnector stands: its mode may not allow it."""
        from cosem.client.supply import disconnect

        return await self._in_turn(disconnect(self.core, obis(name)))

    async def reconnect(self, name: str | Obis = DISCONNECTOR) -> Supply:
        """Reconnect the premises, or make ready for the button; return how the disconnector stands."""
        from cosem.client.supply import reconnect

        return await self._in_turn(reconnect(self.core, obis(name)))

    async def limit(
        self, threshold: Quantity | Decimal | int | None = None, *, name: str | Obis = LIMITER, **options: Any
    ) -> Limits:
        """Write what is given to a limiter, and return how it stands; `options` as in `cosem.client.supply.limit`."""
        from cosem.client.supply import limit

        return await self._in_turn(limit(self.core, obis(name), threshold, **options))

    async def mbus_devices(self) -> list[UtilityDevice]:
        """Read the devices on the meter's M-Bus, channel by channel, with their values and valves."""
        from cosem.client.utility import utility_devices

        return await self._in_turn(utility_devices(self.core))

    async def install_mbus(self, channel: int, address: int = 0, *, every: int | None = None) -> UtilityDevice:
        """Install a device on a M-Bus channel; see `cosem.client.utility.install_utility`."""
        from cosem.client.utility import install_utility

        return await self._in_turn(install_utility(self.core, channel, address, every=every))

    async def remove_mbus(self, channel: int) -> UtilityDevice:
        """Give the device of a M-Bus channel up."""
        from cosem.client.utility import DEINSTALL, order_utility

        return await self._in_turn(order_utility(self.core, channel, DEINSTALL))

    async def capture_mbus(self, channel: int) -> UtilityDevice:
        """Read the device of a M-Bus channel now."""
        from cosem.client.utility import CAPTURE, order_utility

        return await self._in_turn(order_utility(self.core, channel, CAPTURE))

    async def change_mbus_key(
        self, channel: int, key: bytes, default_key: bytes | None = None, *, counter: int | None = None
    ) -> UtilityDevice:
        """Give a device a new key, under its default key; see `cosem.client.utility.change_utility_key`."""
        from cosem.client.utility import change_utility_key

        return await self._in_turn(change_utility_key(self.core, channel, key, default_key, counter=counter))

    async def account(self, name: str | Obis = ACCOUNT) -> AccountState:
        """Read an account of a payment meter, with its credits and charges."""
        from cosem.client.payment import account

        return await self._in_turn(account(self.core, obis(name)))

    async def top_up(self, token: str | bytes, *, gateway: str | Obis = TOKEN_GATEWAY) -> TokenResult:
        """Enter a token and return what became of it; a refused one is no error but an answer."""
        from cosem.client.payment import top_up

        return await self._in_turn(top_up(self.core, token, obis(gateway)))

    async def select_credit(self, credit: str | Obis | None = None, *, name: str | Obis = ACCOUNT) -> AccountState:
        """Confirm the credit that an account offers (the emergency credit), or the one that is named."""
        from cosem.client.payment import select_credit

        return await self._in_turn(select_credit(self.core, obis(name), None if credit is None else obis(credit)))

    async def messages(self) -> Messages:
        """Read what the meter tells its customer, at the local port and on the display."""
        from cosem.client.messages import messages

        return await self._in_turn(messages(self.core))

    async def send_message(
        self, text: str | None = None, *, code: int | None = None, display: bool = False
    ) -> Messages:
        """Send a text or a code to the customer and return what stands then; see `cosem.client.messages`."""
        from cosem.client.messages import send_message

        return await self._in_turn(send_message(self.core, text, code=code, display=display))

    async def update_firmware(self, image: bytes, identifier: bytes, **options: Any) -> ImageReport:
        """Send an image, have it verified and activated; see `Meter.update_firmware`."""
        from cosem.client.firmware import ImageUpdate

        return await self._in_turn(ImageUpdate(self.core, image, identifier, **options).run())

    async def change_key(self, new: Keys, *, counter: int | None = None) -> tuple[str, ...]:
        """Replace keys, wrapped under the master key; see `cosem.client.keychange.change_key`."""
        from cosem.client.keychange import change_key

        return await self._in_turn(change_key(self.plan, self.core, new, counter=counter))

    async def change_secret(self, new: bytes) -> None:
        """Replace the password or secret of this client; see `cosem.client.keychange.change_secret`."""
        from cosem.client.keychange import change_secret

        await self._in_turn(change_secret(self.plan, self.core, new))

    async def read_events(
        self, start: When = None, end: When = None, *, groups: Sequence[str] = (), companion: str = "idis"
    ) -> list[MeterEvent]:
        """Read the event logs; see `cosem.client.events.read_events`."""
        from cosem.client.events import read_events

        return await self._in_turn(read_events(self.core, start, end, groups=groups, profile=companion))

    async def alarms(self, *, companion: str = "idis") -> list[AlarmState]:
        """Read the alarm registers and descriptors."""
        from cosem.client.events import read_alarms

        return await self._in_turn(read_alarms(self.core, companion))

    async def clear_alarms(self, *, companion: str = "idis") -> list[AlarmState]:
        """Clear the alarms that are there, and return them; see `cosem.client.events.clear_alarms`."""
        from cosem.client.events import clear_alarms

        return await self._in_turn(clear_alarms(self.core, companion))

    async def configure_push(self, to: str, setup: str | Obis = "0-4:25.9.0", **what: Any) -> PushState:
        """Say where a push setup (that of alarms unless named) sends; see `cosem.client.events.configure_push`."""
        from cosem.client.events import configure_push

        return await self._in_turn(configure_push(self.core, to, setup=obis(setup), **what))

    async def push_setup(self, setup: str | Obis = "0-4:25.9.0") -> PushState:
        """Read what a push setup (that of alarms unless named) sends, where and how patiently."""
        from cosem.client.events import push_state

        return await self._in_turn(push_state(self.core, obis(setup)))


class _Named:
    """The part of an object that reading and writing need: its logical name."""

    def __init__(self, name: Obis) -> None:
        self.obis = name


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

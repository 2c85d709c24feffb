"""`connect`: a URL and a key file in, a meter with typed objects out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from cosem.association.steps import Step
from cosem.classes.model import InterfaceClass, Selection, Store
from cosem.client.core import ClientOptions
from cosem.client.keyfile import DeviceKeys, KeyFile
from cosem.client.plan import Plan, open_meter, read_counter
from cosem.client.profile import ProfileInterrupted, ProfileReader
from cosem.client.table import ProfileTable, When
from cosem.client.url import MeterUrl
from cosem.client.verbs import ACCOUNT, DISCONNECTOR, LIMITER, TOKEN_GATEWAY, RemoteStore, quantity, set_clock
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
    from cosem.client.messages import Messages
    from cosem.client.payment import AccountState, TokenResult
    from cosem.client.supply import Limits, Supply
    from cosem.client.survey import Progress
    from cosem.client.utility import UtilityDevice
    from cosem.io.blocking import Trace, Transport
    from cosem.models.model import DeviceModel
    from cosem.security.counters import CounterStore
    from cosem.security.keys import Keys

T = TypeVar("T")
C = TypeVar("C", bound=InterfaceClass[Store])


class Meter:
    """A meter that is associated, synchronous. Use it as a context manager, or call `close`.

    ``meter[Register, "1-0:1.8.0"].value`` reads; an assignment writes; methods are called. Objects raise `AccessError`
    with the result's name.
    """

    def __init__(self, plan: Plan, *, trace: Trace | None = None, transport: Transport | None = None) -> None:
        from cosem.io.blocking import BlockingDriver

        self.plan = plan
        transport = transport or plan.transport()
        if plan.url.counter is not None and plan.settings.lease is not None:
            public = plan.public_core()
            driver = BlockingDriver(public.machine, transport, trace=trace)
            try:
                plan.counter_floor = driver.run(read_counter(public, plan.url.counter, plan.repeats))
            finally:
                driver.close()
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
    def __getitem__(self, which: tuple[Callable[[Obis, Store], C], str | Obis]) -> C: ...
    @overload
    def __getitem__(self, which: str | Obis) -> InterfaceClass: ...
    def __getitem__(self, which: tuple[Callable[[Obis, Store], C], str | Obis] | str | Obis) -> C | InterfaceClass:
        """Return an object: by class and logical name, or by name alone (then the object list is read once)."""
        if isinstance(which, tuple):
            kind, name = which
            return kind(obis(name), self._store)
        return self.run(self.core.bound(obis(which), self._store))

    def objects(self) -> dict[Obis, ObjectListElement]:
        """Return the object list of the association."""
        return self.run(self.core.object_list())

    def model(self, *, values: bool = False, rows: int | None = None, progress: Progress | None = None) -> DeviceModel:
        """Return what the meter consists of, as a model; see `cosem.client.survey.survey`."""
        from cosem.client.survey import survey  # what no other verb needs

        return self.run(survey(self.core, values=values, rows=rows, progress=progress))

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
        from cosem.classes.c008_clock import Clock

        return self[Clock, self.core.options.clock].time

    def set_clock(self, moment: datetime | CosemDateTime | None = None) -> CosemDateTime:
        """Set the time (to now without one) and return what was written, in the meter's own deviation."""
        return self.run(set_clock(self.core, moment))

    def calendar(self, *, passive: bool = False) -> Calendar:
        """Read the activity calendar (0-0:13.0.0) with the special days (0-0:11.0.0)."""
        from cosem.client.calendars import read_calendar

        return self.run(read_calendar(self.core, passive=passive))

    def set_calendar(self, calendar: Calendar, at: datetime | CosemDateTime | None = None) -> None:
        """Write the passive calendar and activate it: now, or `at` a time; see `cosem.client.calendars`."""
        from cosem.client.calendars import set_calendar

        self.run(set_calendar(self.core, calendar, at))

    def supply(self, name: str | Obis = DISCONNECTOR) -> Supply:
        """Read how a disconnector stands."""
        from cosem.client.supply import supply

        return self.run(supply(self.core, obis(name)))

    def disconnect(self, name: str | Obis = DISCONNECTOR) -> Supply:
        """Disconnect the premises and return how the disconnector stands: its mode may not allow it."""
        from cosem.client.supply import disconnect

        return self.run(disconnect(self.core, obis(name)))

    def reconnect(self, name: str | Obis = DISCONNECTOR) -> Supply:
        """Reconnect the premises, or make ready for the button; return how the disconnector stands."""
        from cosem.client.supply import reconnect

        return self.run(reconnect(self.core, obis(name)))

    def limit(
        self, threshold: Quantity | Decimal | int | None = None, *, name: str | Obis = LIMITER, **options: Any
    ) -> Limits:
        """Write what is given to a limiter, and return how it stands; `options` as in `cosem.client.supply.limit`."""
        from cosem.client.supply import limit

        return self.run(limit(self.core, obis(name), threshold, **options))

    def mbus_devices(self) -> list[UtilityDevice]:
        """Read the devices on the meter's M-Bus, channel by channel, with their values and valves."""
        from cosem.client.utility import utility_devices

        return self.run(utility_devices(self.core))

    def install_mbus(self, channel: int, address: int = 0, *, every: int | None = None) -> UtilityDevice:
        """Install a device on a M-Bus channel; see `cosem.client.utility.install_utility`."""
        from cosem.client.utility import install_utility

        return self.run(install_utility(self.core, channel, address, every=every))

    def remove_mbus(self, channel: int) -> UtilityDevice:
        """Give the device of a M-Bus channel up."""
        from cosem.client.utility import DEINSTALL, order_utility

        return self.run(order_utility(self.core, channel, DEINSTALL))

    def capture_mbus(self, channel: int) -> UtilityDevice:
        """Read the device of a M-Bus channel now."""
        from cosem.client.utility import CAPTURE, order_utility

        return self.run(order_utility(self.core, channel, CAPTURE))

    def change_mbus_key(
        self, channel: int, key: bytes, default_key: bytes | None = None, *, counter: int | None = None
    ) -> UtilityDevice:
        """Give a device a new key, under its default key; see `cosem.client.utility.change_utility_key`."""
        from cosem.client.utility import change_utility_key

        return self.run(change_utility_key(self.core, channel, key, default_key, counter=counter))

    def account(self, name: str | Obis = ACCOUNT) -> AccountState:
        """Read an account of a payment meter, with its credits and charges."""
        from cosem.client.payment import account

        return self.run(account(self.core, obis(name)))

    def top_up(self, token: str | bytes, *, gateway: str | Obis = TOKEN_GATEWAY) -> TokenResult:
        """Enter a token and return what became of it; a refused one is no error but an answer."""
        from cosem.client.payment import top_up

        return self.run(top_up(self.core, token, obis(gateway)))

    def select_credit(self, credit: str | Obis | None = None, *, name: str | Obis = ACCOUNT) -> AccountState:
        """Confirm the credit that an account offers (the emergency credit), or the one that is named."""
        from cosem.client.payment import select_credit

        return self.run(select_credit(self.core, obis(name), None if credit is None else obis(credit)))

    def messages(self) -> Messages:
        """Read what the meter tells its customer, at the local port and on the display."""
        from cosem.client.messages import messages

        return self.run(messages(self.core))

    def send_message(self, text: str | None = None, *, code: int | None = None, display: bool = False) -> Messages:
        """Send a text or a code to the customer and return what stands then; see `cosem.client.messages`."""
        from cosem.client.messages import send_message

        return self.run(send_message(self.core, text, code=code, display=display))

    def update_firmware(self, image: bytes, identifier: bytes, **options: Any) -> ImageReport:
        """Send an image, have it verified and activated; `options` as in `cosem.client.firmware.ImageUpdate`.

        Called again after whatever ended it, it goes on where blocks are missing. Raises `ImageTransferFailed`.
        """
        from cosem.client.firmware import ImageUpdate

        return self.run(ImageUpdate(self.core, image, identifier, **options).run())

    def change_key(self, new: Keys, *, counter: int | None = None) -> tuple[str, ...]:
        """Replace keys, wrapped under the master key; see `cosem.client.keychange.change_key`.

        Write the new ones down first: the answer may get lost.
        """
        from cosem.client.keychange import change_key

        return self.run(change_key(self.plan, self.core, new, counter=counter))

    def change_secret(self, new: bytes) -> None:
        """Replace the password or secret of this client; see `cosem.client.keychange.change_secret`."""
        from cosem.client.keychange import change_secret

        self.run(change_secret(self.plan, self.core, new))

    def read_events(
        self, start: When = None, end: When = None, *, groups: Sequence[str] = (), companion: str = "idis"
    ) -> list[MeterEvent]:
        """Read the event logs; see `cosem.client.events.read_events`."""
        from cosem.client.events import read_events

        return self.run(read_events(self.core, start, end, groups=groups, profile=companion))

    def alarms(self, *, companion: str = "idis") -> list[AlarmState]:
        """Read the alarm registers and descriptors."""
        from cosem.client.events import read_alarms

        return self.run(read_alarms(self.core, companion))

    def clear_alarms(self, *, companion: str = "idis") -> list[AlarmState]:
        """Clear the alarms that are there, and return them; see `cosem.client.events.clear_alarms`."""
        from cosem.client.events import clear_alarms

        return self.run(clear_alarms(self.core, companion))

    def configure_push(self, to: str, setup: str | Obis = "0-4:25.9.0", **what: Any) -> PushState:
        """Say where a push setup (that of alarms unless named) sends; see `cosem.client.events.configure_push`."""
        from cosem.client.events import configure_push

        return self.run(configure_push(self.core, to, setup=obis(setup), **what))

    def push_setup(self, setup: str | Obis = "0-4:25.9.0") -> PushState:
        """Read what a push setup (that of alarms unless named) sends, where and how patiently."""
        from cosem.client.events import push_state

        return self.run(push_state(self.core, obis(setup)))


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

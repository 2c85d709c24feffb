"""Behaviour of push setups (class 40, every version): when a push goes out, what it is, and what happens when it fails.

The device makes APDUs; who carries them is the network's business: `Pushes.network` takes each `Delivery` and says
whether it arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from cosem.apdu.ciphered import GeneralGlo
from cosem.apdu.notify import DataNotification
from cosem.association.responder import CONFIRMATION_WANTED
from cosem.classes.c040_push_setup import (
    ConfirmationParameters,
    MessageType,
    PushOperationMethod,
    PushSetup,
    PushSetupV0,
    PushSetupV1,
    PushSetupV3,
    SendDestinationAndMethod,
    TransportService,
)
from cosem.classes.protection import IdentifiedKey, IdentifiedKeyId, ProtectionType, RestrictedColumns
from cosem.codec.axdr import Data
from cosem.companions.companion import Companion, PushPreset
from cosem.device.causes import Cause, Happening
from cosem.device.device import MANAGEMENT_SAP
from cosem.device.errors import Refused
from cosem.device.host import Host, Origin
from cosem.device.moments import Windows
from cosem.device.push_values import is_known, values
from cosem.device.way_out import Delivery, Network, WayOut
from cosem.errors import CosemError
from cosem.link.base import Address
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime

PATIENCE = 30
"""Seconds until a push of which nothing is heard has failed, or, where only failures are told, has not."""
MAX_OBJECTS = 64
"""Attributes in one push; companion profiles have some dozen."""
VERSIONS: Final = (PushSetupV0, PushSetupV1, PushSetup, PushSetupV3)
CARRIED: Final = (TransportService.TCP, TransportService.UDP, TransportService.HDLC, TransportService.M_BUS)
"""Transport services there is a link for; another one is refused when it is written."""
_BITS = {
    ProtectionType.AUTHENTICATION: 0x10,
    ProtectionType.ENCRYPTION: 0x20,
    ProtectionType.AUTHENTICATION_AND_ENCRYPTION: 0x30,
}


class State(Enum):
    """What a push setup is about."""

    IDLE = "nothing to send"
    WAITING = "waits for its moment"
    SENDING = "sent, outcome not known"
    RETRYING = "failed, waits for the next attempt"


class Event(Enum):
    """What can happen to it."""

    TRIGGER = "trigger"
    DUE = "its moment has come"
    CLOSED = "its moment has come, but no window is open"
    ARRIVED = "arrived"
    FAILED = "failed, attempts are left"
    EXHAUSTED = "failed for the last time"
    RESET = "reset"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.IDLE, Event.TRIGGER): State.WAITING,
    (State.WAITING, Event.TRIGGER): State.WAITING,
    (State.WAITING, Event.DUE): State.SENDING,
    (State.WAITING, Event.CLOSED): State.WAITING,
    (State.RETRYING, Event.DUE): State.SENDING,
    (State.RETRYING, Event.CLOSED): State.RETRYING,
    (State.SENDING, Event.ARRIVED): State.IDLE,
    (State.SENDING, Event.FAILED): State.RETRYING,
    (State.SENDING, Event.EXHAUSTED): State.IDLE,
    **{(state, Event.RESET): State.IDLE for state in State},
}
"""What is absent changes nothing; a trigger while one is running is answered temporary-failure."""


class Pusher:
    """One push setup. `send` carries a delivery, None where there is no network."""

    def __init__(
        self,
        host: Host,
        name: Obis,
        objects: list[RestrictedColumns],
        send: Callable[[Delivery], None],
        *,
        title: str = "",
        version: int = 1,
        client: int = 1,
        randomisation: int = 0,
        retries: int = 0,
        delay: int = 0,
    ) -> None:
        self.host = host
        self.title = title or str(name)
        self.state = State.IDLE
        self._client = client
        self._send = send
        self._due = 0
        self._from, self._delayed, self._shut = 0, 0, False
        self._attempts = 0
        self._deadline = 0
        self._attempt = 0
        self._invoke = 0
        self._again = False
        self.confirmed_at: int | None = None
        self.object = self._object(name, objects, version, randomisation, retries, delay)
        host.add(self.object)
        host.handle(self.object, 1, lambda parameter: self.push())
        host.writers(self.object, {2: self._write_objects, 3: self._write_destination, 4: self._write_windows})
        if version >= 1:
            host.writers(self.object, {10: self._write_protection})
        if version >= 2:
            host.handle(self.object, 2, lambda parameter: self.reset())
        host.clock.on_jump.append(lambda old, new: self._plan_anew())
        host.schedule(self)

    def _object(
        self, name: Obis, objects: list[RestrictedColumns], version: int, randomisation: int, retries: int, delay: int
    ) -> Any:
        given: dict[str, Any] = {
            "push_object_list": [item[: 4 + min(version, 2)] for item in objects],
            "send_destination_and_method": SendDestinationAndMethod(
                TransportService.TCP, b"", MessageType.A_XDR_ENCODED_XDLMS_APDU
            ),
            "randomisation_start_interval": randomisation,
            "number_of_retries": retries,
            "repetition_delay": delay if version < 2 else (delay, 100, delay),
        }
        if version >= 1:
            given |= {"port_reference": Obis.parse("0-0:25.0.0.255"), "push_client_SAP": self._client}
        if version >= 2:
            given |= {
                "confirmation_parameters": ConfirmationParameters(CosemDateTime(), 0),
                "last_confirmation_date_time": CosemDateTime(),
            }
        return VERSIONS[version](name, **given)

    def _get(self, name: str) -> Any:
        return getattr(self.object, name, None)

    # --- triggers ------------------------------------------------------------------------------------------

    def push(self) -> None:
        """Be triggered by a client, a script or a schedule. Raises `Refused` while a push is running.

        An alarm monitor's script is not refused: no alarm is lost.
        """
        if not self.configured:
            raise Refused(ActionResult.OTHER_REASON)
        if (self.state, Event.TRIGGER) not in TRANSITIONS and self.host.origin is not Origin.LOCAL:
            raise Refused(ActionResult.TEMPORARY_FAILURE)
        self.trigger()

    def trigger(self) -> None:
        """Be triggered by the device itself; one more push follows where one is running."""
        if not self.configured:
            return
        if (self.state, Event.TRIGGER) not in TRANSITIONS:
            self._again = True
            return
        first = self.state is State.IDLE
        self._move(Event.TRIGGER)
        if first:
            self._attempts = 0
            self._plan(self.host.now, self._randomly())

    def hasten(self) -> None:
        """Send now what waits for another attempt; where that was given up, be triggered once more."""
        if self.state is State.RETRYING:
            self._due = self.host.now
        elif self.state is State.IDLE:
            self.trigger()

    def reset(self) -> None:
        """Forget what waits to be sent."""
        self._again = False
        self._move(Event.RESET)

    @property
    def configured(self) -> bool:
        """Whether there is a destination."""
        return bool(self._get("send_destination_and_method").destination)

    @property
    def is_due(self) -> bool:
        """Whether something is about to be sent."""
        return self.state in (State.WAITING, State.RETRYING) and self._due <= self.host.now

    def _randomly(self) -> int:
        most = self._get("randomisation_start_interval")
        return int.from_bytes(self.host.random(4), "big") % (most + 1) if most else 0

    def _plan(self, moment: int, delay: int) -> None:
        """Go out at `moment` (of the simulation) where a window is open, else when the next opens; `delay` later."""
        windows, offset = self._windows(), self.host.clock.offset
        self._from, self._delayed = moment, delay
        self._shut = not windows.is_open(moment + offset)
        if self._shut:
            # Where none opens for long it is looked again some time later.
            opening = windows.next_start(moment + offset) or windows.next_change(moment + offset)
            assert opening is not None
            moment = opening - offset
        self._due = moment + delay

    def _plan_anew(self) -> None:
        """Look again for the window that a push waits for: the meter's time or its windows are others now."""
        if self._shut and self.state in (State.WAITING, State.RETRYING):
            self._plan(max(self._from, self.host.now), self._delayed)

    def _windows(self) -> Windows:
        return Windows(self.host.clock, self._get("communication_window"))

    # --- time ----------------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return when to send, or when to give up waiting for an outcome."""
        if self.state is State.IDLE:
            return None
        return self._deadline if self.state is State.SENDING else self._due

    def act(self, now: int) -> None:
        """Send, or conclude from silence."""
        if self.state is State.SENDING:
            method = self._method()
            self._done(method is PushOperationMethod.UNCONFIRMED_RETRY_ON_SUPPORTING_LAYER_FAILURE)
            return
        if not self._windows().is_open(self.host.clock.now):
            self._move(Event.CLOSED)
            self._plan(now, self._randomly())
            return
        self._move(Event.DUE)
        self._deadline = now + PATIENCE
        self._attempt += 1
        self._attempts += 1
        number = self._attempt
        try:
            delivery = self._delivery(lambda arrived: self._outcome(number, arrived))
        except CosemError:
            # Without key or counters what must be protected is not sent at all.
            self._done(False)
            return
        self._send(delivery)

    def _outcome(self, number: int, arrived: bool) -> None:
        if number == self._attempt and self.state is State.SENDING:
            self._done(arrived)

    def _done(self, arrived: bool) -> None:
        if not arrived and self._attempts <= self._get("number_of_retries"):
            self._move(Event.FAILED)
            self._plan(self.host.now + self._delay(self._attempts), 0)
            return
        self._move(Event.ARRIVED if arrived else Event.EXHAUSTED)
        if not arrived:
            self.host.note(Cause.PUSH_FAILED, setup=self.title)
        if self._again:
            self._again = False
            self.trigger()

    def confirmed(self, invoke: int) -> None:
        """Learn that the client has the push with this long invoke-id."""
        if self.state is State.SENDING and invoke & 0xFFFFFF == self._invoke:
            self._confirm()
            self._done(True)

    def _confirm(self) -> None:
        self.confirmed_at = self.host.clock.now
        if self.object.class_version >= 2:
            now = CosemDateTime.from_octets(self.host.clock.octets(self.confirmed_at))
            self.object.store.values[13] = self.object.attributes[13].type.to_data(now)

    def _delay(self, attempt: int) -> int:
        """Return the seconds to the attempt after the n-th: from version 2 on they grow by the exponent, in %."""
        held = self._get("repetition_delay")
        if isinstance(held, int):
            return held
        least, percent, most = held
        return int(min(most, least * (percent / 100) ** min(attempt - 1, 64)))

    def _move(self, event: Event) -> None:
        self.state = TRANSITIONS.get((self.state, event), self.state)

    # --- what is sent --------------------------------------------------------------------------------------

    def _method(self) -> PushOperationMethod:
        held = self._get("push_operation_method")
        return PushOperationMethod.UNCONFIRMED_RETRY_ON_SUPPORTING_LAYER_FAILURE if held is None else held

    def _wants_confirmation(self) -> bool:
        if self._method() is not PushOperationMethod.CONFIRMED_RETRY_ON_MISSING_CONFIRMATION:
            return False
        start = self._get("confirmation_parameters").confirmation_start_date
        if start.year is None:
            return True
        return self.host.clock.utc(start) <= self.host.clock.now

    def _delivery(self, done: Callable[[bool], None]) -> Delivery:
        confirmed = self._wants_confirmation()
        self._invoke = self._invoke + 1 & 0xFFFFFF
        sap = self._get("push_client_SAP")
        client = self._client if sap is None else sap & 0xFF
        association = self.host.logical.associations.get(client)
        objects = self._get("push_object_list")
        body = values(self.host, association, objects, self.confirmed_at if confirmed else None)
        octets = DataNotification(b"", body).encode(self._invoke | (CONFIRMATION_WANTED if confirmed else 0))
        address = Address(client, self.host.logical.sap)
        service, destination, _ = self._get("send_destination_and_method")

        def over(arrived: bool) -> None:
            if arrived and confirmed and self.state is State.SENDING:
                self._confirm()
            done(arrived)

        octets = self._protected(octets, address)
        return Delivery(self.title, service, destination, address, octets, body, self._invoke, confirmed, over)

    def _protected(self, octets: bytes, address: Address) -> bytes:
        """Protect as the setup says, or else as the policy of its client's association asks of responses."""
        device = self.host.device
        profile = device.association_profile(address)
        if profile is None:
            return octets
        spec = self.host.logical.associations[address.client].spec
        layers = self._get("push_protection_parameters")
        control, broadcast = spec.required.response if spec.ciphered else 0, False
        if layers:
            control |= _BITS[layers[0].protection_type]
            key = layers[0].protection_options.key_info.key_info_options
            broadcast = key.key_id == IdentifiedKeyId.GLOBAL_BROADCAST_ENCRYPTION_KEY
        if not control:
            return octets
        context = device.security_context(profile, spec.client_system_title)
        if context is None:
            raise CosemError("a protected push needs keys")
        content = context.protect(octets, control, broadcast=broadcast)
        return GeneralGlo(context.own_title, content).encode()

    # --- being set up --------------------------------------------------------------------------------------

    def _hold(self, number: int, value: Data) -> DataAccessResult:
        self.object.store.values[number] = value
        return DataAccessResult.SUCCESS

    def _typed(self, number: int, value: Data) -> Any:
        return self.object.attributes[number].type.from_data(value)

    def _write_objects(self, value: Data) -> DataAccessResult:
        items = self._typed(2, value)
        if len(items) > MAX_OBJECTS or not all(is_known(item) for item in items):
            return DataAccessResult.OTHER_REASON
        return self._hold(2, value)

    def _write_destination(self, value: Data) -> DataAccessResult:
        service, _, message = self._typed(3, value)
        if service not in CARRIED or message != MessageType.A_XDR_ENCODED_XDLMS_APDU:
            return DataAccessResult.OTHER_REASON
        return self._hold(3, value)

    def _write_windows(self, value: Data) -> DataAccessResult:
        if not Windows.are_usable(self._typed(4, value)):
            return DataAccessResult.OTHER_REASON
        self._hold(4, value)
        self._plan_anew()
        return DataAccessResult.SUCCESS

    def _write_protection(self, value: Data) -> DataAccessResult:
        """Take one layer of suite 0 under a key both sides have; it goes out as general-glo-ciphering.

        Signatures, wrapped and agreed keys are refused: there is nothing here that could make them.
        """
        layers = self._typed(10, value)
        if len(layers) > 1:
            return DataAccessResult.OTHER_REASON
        for layer in layers:
            key = layer.protection_options.key_info.key_info_options
            if layer.protection_type not in _BITS or not isinstance(key, IdentifiedKey):
                return DataAccessResult.OTHER_REASON
        return self._hold(10, value)


class Pushes:
    """The push setups of a meter, by name, and what triggers them. They go by one way out, whose `network` carries."""

    def __init__(self, host: Host, companion: Companion, *, version: int = 1) -> None:
        self.setups: dict[str, Pusher] = {}
        self.way = WayOut(self.setups, lambda: self.alarms)
        self._presets: dict[str, PushPreset] = {}
        for preset in companion.pushes:
            objects = [
                RestrictedColumns(item.class_id, item.name, item.attribute, item.data_index) for item in preset.objects
            ]
            self.setups[preset.name] = Pusher(
                host,
                preset.setup,
                objects,
                self.way.deliver,
                title=preset.name,
                version=version,
                client=MANAGEMENT_SAP,
                randomisation=preset.randomisation,
                retries=preset.retries,
                delay=preset.delay,
            )
            self._presets[preset.name] = preset
        host.causes.listeners.append(self._happened)
        host.device.on_confirmed.append(self._confirmed)

    def send_to(self, service: TransportService, destination: bytes) -> None:
        """Set the destination of every setup."""
        for setup in self.setups.values():
            method = SendDestinationAndMethod(service, destination, MessageType.A_XDR_ENCODED_XDLMS_APDU)
            setup.object.send_destination_and_method = method

    @property
    def network(self) -> Network | None:
        """Who carries what is pushed; None while there is nobody."""
        return self.way.network

    @network.setter
    def network(self, network: Network | None) -> None:
        self.way.network = network

    @property
    def alarms(self) -> frozenset[str]:
        """Return the names of the setups that alarms push by."""
        return frozenset(name for name, preset in self._presets.items() if preset.alarms)

    def _happened(self, happening: Happening) -> None:
        for name, preset in self._presets.items():
            # A connection that a push asked for is told by that push: one more would ask for the next connection.
            if happening.cause.name in preset.when and not happening.details.get("asked"):
                setup = self.setups[name]
                setup.trigger()
                if happening.cause is Cause.LAST_GASP and setup.state is State.WAITING:
                    # There is no later.
                    setup.act(setup.host.now)

    def _confirmed(self, invoke: int) -> None:
        for setup in self.setups.values():
            setup.confirmed(invoke)

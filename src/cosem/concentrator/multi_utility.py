"""An in-house multi-utility concentrator: gas, water and heat meters on its buses, COSEM meters behind it as a gateway.

It measures nothing itself. Every utility meter has a channel with its client, values, profiles, valve and logs as in an
electricity meter (`cosem.device.mbus`), up to 64 of them, on the wire and by radio. COSEM meters in the house are
reached through it by the prefix of a gateway; what they say it neither opens nor keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cosem.association.responder import Responder
from cosem.association.server import ObjectServer
from cosem.classes.c001_data import Data as DataObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.companions.companion import companion
from cosem.device.agenda import Agenda
from cosem.device.associations import AssociationSpec, only
from cosem.device.clock import DeviceClock
from cosem.device.clock_events import ClockEvents
from cosem.device.device import PhysicalDevice
from cosem.device.events import Events
from cosem.device.guard import Guard, GuardOptions
from cosem.device.host import Host
from cosem.device.image import ImageOptions, ImageTransferBehaviour, signed_by
from cosem.device.logical_device import LogicalDevice
from cosem.device.mbus.equipment import MBus
from cosem.device.mbus.settings import LARGEST_CHANNEL, MBusChannel, MBusSettings
from cosem.device.meter import management_rights
from cosem.device.push import Pushes
from cosem.device.random import Random
from cosem.device.scripts import IMAGE_ACTIVATION, PUSHING, ScriptTables, calling
from cosem.device.security import SecuritySetupBehaviour
from cosem.device.single_action import SingleActionBehaviour
from cosem.errors import ConfigError
from cosem.link.base import Machine
from cosem.link.gateway import Gateway
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.security.counters import CounterStore
from cosem.security.keys import Keys

PUBLIC_CLIENT, MANAGEMENT_CLIENT = 16, 1
HOUR: Final = 3600
HOUSE: Final = 1
"""Network id of the COSEM meters in the house."""
SECURITY_SETUP: Final = Obis.parse("0-0:43.0.0.255")
NAME, SERIAL = "0-0:42.0.0.255", "0-0:96.1.0.255"
CLOCK, COUNTER = "0-0:1.0.0.255", "0-0:43.1.0.255"
_PUBLIC: Final = (CLOCK, NAME, "0-0:41.0.0.255", COUNTER, SERIAL)


def channels(wired: int, wireless: int = 0, *, period: int = HOUR) -> MBusSettings:
    """Return an M-Bus of so many channels on the wire, and so many by radio behind them. Raises `ConfigError`."""
    count = wired + wireless
    if not 1 <= count <= LARGEST_CHANNEL or min(wired, wireless) < 0:
        raise ConfigError(f"a concentrator has 1 to {LARGEST_CHANNEL} channels, not {count}")
    return MBusSettings(
        channels=tuple(
            MBusChannel(number, wireless=number > wired, capture_period=period) for number in range(1, count + 1)
        )
    )


@dataclass(slots=True)
class MultiUtilitySettings:
    """How a concentrator is built.

    `mechanism`, `policy`, `keys` and `secret` are those of the management client (SAP 1); `zone` is the deviation of
    local normal time to UTC in minutes. `mbus` are its channels, `companion` names events, alarms and pushes;
    `image_key` is the public key that images are verified by, those for M-Bus devices too.
    """

    system_title: bytes = b"CSM\x02\x00\x00\x00\x01"
    serial: str = "20000001"
    mechanism: int = 5
    policy: int = 3
    keys: Keys = field(default_factory=Keys, repr=False)
    secret: bytes | None = field(default=None, repr=False)
    zone: int = -60
    mbus: MBusSettings = field(default_factory=lambda: channels(LARGEST_CHANNEL // 2, LARGEST_CHANNEL // 2))
    companion: str = "idis"
    push_version: int = 1
    max_pdu_size: int = 1024
    image_key: bytes | None = None
    image: ImageOptions = field(default_factory=ImageOptions)
    guard: GuardOptions = field(default_factory=GuardOptions)


class MultiUtilityConcentrator:
    """A physical device without a measurement of its own. `device` is what a server serves, `advance` lets time pass.

    `behind` are COSEM meters in the house by network id and physical address, in the form that
    `cosem.io.server.DeviceServer` takes; `attach` adds one.
    """

    def __init__(
        self,
        settings: MultiUtilitySettings,
        start: int,
        random: Random,
        *,
        simulation: bool = False,
        counters: CounterStore | None = None,
    ) -> None:
        self.settings = settings
        self.behind: dict[tuple[int, bytes], ObjectServer] = {}
        self._random = random
        self.device = PhysicalDevice(settings.system_title, start, random, simulation=simulation, counters=counters)
        schedule = self.device.schedule
        self.clock = DeviceClock(lambda: schedule.now, zone=settings.zone)
        name = settings.system_title[:3] + settings.serial.encode("ascii")[:13]
        self.logical = self.device.add(LogicalDevice(1, name))
        self.host = host = Host(self.device, self.logical, self.clock)
        self._identity(name)
        self.logical.add(self.clock.object)
        host.writers(self.clock.object, self.clock.writers)
        self.security = SecuritySetupBehaviour(
            host, str(SECURITY_SETUP), settings.system_title, settings.policy, settings.keys.master_key, 1
        )
        self._behaviours()
        self._associations()
        self.guarded = Guard(host, settings.guard)
        self.device.build()

    def _identity(self, name: bytes) -> None:
        add = self.host.add
        add(DataObject(NAME, value=axdr.octet_string(name)))
        add(DataObject(SERIAL, value=axdr.octet_string(self.settings.serial.encode("ascii"))))
        counter = add(DataObject(COUNTER, value=axdr.double_long_unsigned(0)))
        self.host.compute(counter, 2, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self._received_counter()))

    def _received_counter(self) -> int:
        keys = self.logical.associations[MANAGEMENT_CLIENT].spec.keys
        return self.device.received_counter(keys.global_unicast_encryption_key or b"")

    def _behaviours(self) -> None:
        """Put the behaviours in, in the order in which they act: events first, so that a push carries its alarm."""
        host, settings = self.host, self.settings
        profile = companion(settings.companion)
        self.image = ImageTransferBehaviour(
            host, signed_by(settings.image_key), settings.image, firmware=(b"cosem concentrator",)
        )
        self.events = Events(host, profile)
        self.clock_events = ClockEvents(host)
        self.scripts = ScriptTables(host)
        self.agenda = Agenda(host)
        activate = self.scripts.add(IMAGE_ACTIVATION, 1, calling(18, self.image.object.obis, 4))
        SingleActionBehaviour(host, self.agenda, self.scripts, "0-0:15.0.2.255", activate)
        self.mbus = MBus(
            host,
            profile,
            self.agenda,
            self.scripts,
            settings.mbus,
            zone=-settings.zone,
            serial=settings.serial,
        )
        self.image.deliver = self.mbus.deliver
        self.pushes = Pushes(host, profile, version=settings.push_version)
        for number, (name, setup) in enumerate(self.pushes.setups.items(), 1):
            script = self.scripts.add(PUSHING, number, calling(setup.object.class_id, setup.object.obis, 1))
            if name.startswith("interval"):
                schedule = Obis(bytes((0, setup.object.obis[1], 15, 0, 4, 255)))
                SingleActionBehaviour(host, self.agenda, self.scripts, str(schedule), script)

    def _associations(self) -> None:
        settings = self.settings
        self.logical.associate(AssociationSpec(PUBLIC_CLIENT, 1, only(_PUBLIC)))
        ciphered = settings.policy != 0 or settings.mechanism == 5
        management = AssociationSpec(
            MANAGEMENT_CLIENT,
            2,
            lambda obj: management_rights(self.device, obj),
            mechanism=settings.mechanism,
            secret=settings.secret,
            policy=settings.policy,
            keys=settings.keys,
            max_pdu_size=settings.max_pdu_size,
            security_setup=SECURITY_SETUP if ciphered else None,
        )
        self.security.associations.append(self.logical.associate(management))

    # --- the house -----------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Return the moment in the simulation, UTC seconds."""
        return self.device.now

    def advance(self, until: int) -> None:
        """Let the concentrator live up to `until`, UTC seconds since 1970."""
        self.device.advance(until)

    def attach(self, address: bytes, meter: ObjectServer, network: int = HOUSE) -> None:
        """Put a COSEM meter behind the gateway. Raises `ConfigError` where the address is taken or none."""
        if not 1 <= len(address) <= 255 or not 0 <= network <= 255:
            raise ConfigError("a device behind a gateway has an address of 1 to 255 octets in a network of 0 to 255")
        if (network, address) in self.behind:
            raise ConfigError(f"there is a meter at {address.hex()} of network {network} already")
        self.behind[network, address] = meter

    def machine(self) -> Gateway:
        """Return what stands behind one connection: the concentrator itself, and the meters in the house."""
        return Gateway(WrapperLink(server=True), self.machine_of)

    def machine_of(self, network: int | None, address: bytes) -> Machine | None:
        """Return a machine for the concentrator, or for a meter behind it; None for who is not there."""
        server = self.device if network is None else self.behind.get((network, address))
        return None if server is None else Responder(WrapperLink(server=True), server, self._random)


def identities(concentrator: MultiUtilityConcentrator) -> Mapping[int, str]:
    """Return who is on which channel: manufacturer and number, of those that are installed."""
    return {number: channel.identity for number, channel in concentrator.mbus.channels.items() if channel.identity}

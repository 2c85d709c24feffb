"""The M-Bus of one meter: a port with its bus, and for every channel a client, values, profiles, valve and logs."""

from __future__ import annotations

from typing import Final

from cosem.classes.c001_data import Data as DataObject
from cosem.codec.axdr import Data, Tag
from cosem.companions.companion import Companion
from cosem.device.agenda import Agenda
from cosem.device.host import Host
from cosem.device.image import Image
from cosem.device.mbus.client import MBusClientBehaviour
from cosem.device.mbus.control_log import ControlLog
from cosem.device.mbus.image import pass_on
from cosem.device.mbus.master_port import MasterPort
from cosem.device.mbus.port import MBusEar, MBusPort, PortPlace
from cosem.device.mbus.profiles import MBusProfiles
from cosem.device.mbus.settings import MBusChannel, MBusSettings
from cosem.device.mbus.slave_port import SlavePort
from cosem.device.mbus.valve import MBusValve
from cosem.device.scripts import DISCONNECT, RECONNECT, ScriptTables, calling
from cosem.device.single_action import SingleActionBehaviour
from cosem.errors import DecodeError, SecurityError
from cosem.mbus.telegram import decode_headers
from cosem.mbus.wireless import Format
from cosem.obis import Obis, obis

MASTER_PORT: Final = "0-0:24.6.0.255"


class Channel:
    """Everything that belongs to one channel."""

    def __init__(
        self, bus: MBus, host: Host, companion: Companion, agenda: Agenda, scripts: ScriptTables, channel: MBusChannel
    ) -> None:
        number, settings = channel.number, bus.settings
        self.number = number
        self.client = MBusClientBehaviour(
            host, bus.place, settings, channel, obis(MASTER_PORT), bus.taken, bus.listen, bus.zone
        )
        name = host.add(DataObject(Obis(bytes((0, number, 96, 1, 0, 255)))))
        host.compute(name, 2, lambda: Data(Tag.OCTET_STRING, self.identity.encode("ascii")))
        self.profiles = MBusProfiles(
            host,
            number,
            self.client.values,
            agenda,
            scripts,
            begins=settings.day_begins,
            days=settings.days,
            months=settings.months,
            settle=self.client.settle,
            active=lambda: self.client.bound,
        )
        self.valve = MBusValve(host, self.client, refused=host.device.options.disconnect_refused)
        self.log = ControlLog(host, companion, number)
        table, valve = f"0-{number}:10.0.106.255", self.valve.object
        off = scripts.add(table, DISCONNECT, calling(70, valve.obis, 1))
        scripts.add(table, RECONNECT, calling(70, valve.obis, 2))
        self.schedule = SingleActionBehaviour(host, agenda, scripts, f"0-{number}:15.0.1.255", off)

    @property
    def identity(self) -> str:
        """Return manufacturer and number of the device, nothing while there is none."""
        meter = self.client.meter
        return "" if meter is None else f"{meter.code}{meter.number}"


class MBus:
    """The M-Bus of one meter. `connect` plugs a bus in, `listen_to` what hears wireless devices."""

    def __init__(
        self,
        host: Host,
        companion: Companion,
        agenda: Agenda,
        scripts: ScriptTables,
        settings: MBusSettings,
        *,
        zone: int,
        serial: str,
    ) -> None:
        self.host = host
        self.settings = settings
        self.zone = zone
        """Minutes from UTC to normal time."""
        self.place = PortPlace()
        self.unknown = 0
        """Wireless frames of devices of no channel, and what was no frame."""
        self.behind: object = None
        """What simulates the devices, for whoever plays with them."""
        self.channels: dict[int, Channel] = {}
        self.master_port = MasterPort(host, MASTER_PORT, self.place, settings.baud)
        self.slave = None if settings.slave is None else SlavePort(host, serial, settings.slave)
        for channel in settings.channels:
            self.channels[channel.number] = Channel(self, host, companion, agenda, scripts, channel)

    def connect(self, port: MBusPort) -> None:
        """Be the master of a bus."""
        self.place.port = port

    def listen_to(self, ear: MBusEar) -> None:
        """Hear wireless devices."""
        self.place.ear = ear

    def taken(self, address: int) -> bool:
        """Whether a channel has a device at this primary address."""
        return any(channel.client.address == address for channel in self.channels.values() if channel.client.bound)

    def deliver(self, image: Image) -> bool:
        """Pass an image on to the device of its channel; False where that cannot be done."""
        channel = self.channels.get(image.place)
        return channel is not None and pass_on(channel.client, image)

    def listen(self) -> None:
        """Take what was heard up to now."""
        if self.place.ear is None:
            return
        for frame in self.place.ear(float(self.host.now)):
            self.hear(frame.octets, int(frame.at), frame.rssi, frame.form)

    def hear(self, octets: bytes, at: int, rssi: int, form: Format | None = None) -> None:
        """Take one wireless frame (UTC seconds, dBm)."""
        try:
            sender = decode_headers(octets, link="wireless", form=form)
            known = sum(
                channel.client.hear(octets, at, rssi, form)
                for channel in self.channels.values()
                if channel.client.is_from(sender)
            )
        except (DecodeError, SecurityError):
            known = 0
        if not known:
            self.unknown += 1

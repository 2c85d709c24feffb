"""What an electricity meter has besides measuring: each behaviour is put in here, in the order in which they act."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cosem.classes.c028_auto_answer import AutoAnswerMode
from cosem.classes.c071_limiter import LimiterActions
from cosem.classes.c124_communication_port_protection import ProtectionMode
from cosem.classes.common import ActionItem, ActionSet, AttributeReference
from cosem.codec import axdr
from cosem.companions.companion import companion
from cosem.device.agenda import Agenda
from cosem.device.auto_answer import AutoAnswerBehaviour
from cosem.device.auto_connect import AutoConnectBehaviour
from cosem.device.billing import CAPTURE, Billing
from cosem.device.causes import Cause
from cosem.device.clock_events import ClockEvents
from cosem.device.customer import PUSHED_OF_PAYMENT, Customer, CustomerPush, identified, pushed_of_channel
from cosem.device.disconnector import Disconnector
from cosem.device.events import Events
from cosem.device.guard import Guard
from cosem.device.image import ImageTransferBehaviour, signed_by
from cosem.device.limiter import LimiterBehaviour
from cosem.device.mains import Mains
from cosem.device.mbus.equipment import MBus
from cosem.device.parameter_monitor import ParameterMonitorBehaviour
from cosem.device.payment import Payment
from cosem.device.port_protection import PortProtectionBehaviour
from cosem.device.power import PowerSupply
from cosem.device.push import Pushes
from cosem.device.register_monitor import MonitorBehaviour
from cosem.device.scripts import (
    DISCONNECT,
    DISCONNECTION,
    GLOBAL_RESET,
    IMAGE_ACTIVATION,
    OUTPUT_SIGNALS,
    PUSHING,
    RECONNECT,
    ScriptTables,
    calling,
)
from cosem.device.single_action import SingleActionBehaviour
from cosem.device.tables import REGISTER_TABLE, Tables
from cosem.device.tampering import Tampering, TamperRecords
from cosem.device.tariffs import Tariffs
from cosem.device.watch import Watch
from cosem.obis import Obis, obis

if TYPE_CHECKING:
    from cosem.device.guard import GuardOptions
    from cosem.device.meter import ElectricityMeter, MeterSettings
    from cosem.device.security import SecuritySetupBehaviour

_PARAMETERS = tuple(
    AttributeReference(class_id, obis(name), attribute)
    for class_id, name, attributes in (
        (8, "0-0:1.0.0.255", (3, 5, 6, 7, 8)),
        (7, "1-0:99.1.0.255", (3, 4)),
        (7, "1-0:99.1.1.255", (3, 4)),
        (7, "1-0:99.2.0.255", (3, 4)),
        (20, "0-0:13.0.0.255", (6, 7, 8, 9, 10)),
        (11, "0-0:11.0.0.255", (2,)),
        (22, "0-0:15.0.0.255", (4,)),
        (70, "0-0:96.3.10.255", (4,)),
    )
    for attribute in attributes
)
"""What the parameter monitor looks at: what makes values and bills what they are."""
DISCONNECT_SCHEDULE, IMAGE_SCHEDULE = "0-0:15.0.1.255", "0-0:15.0.2.255"
PORT, PORT_PROTECTION = "0-0:25.0.0.255", "0-0:44.2.0.255"
PORT_ATTEMPTS = 20
"""Failures after which the whole port is locked: more than those that shut out a client (`GuardOptions`)."""
LIMITER, IMPORT = "0-0:17.0.0.255", "1-0:1.7.0.255"
SUPERVISION = (
    ("1-0:31.4.0.255", "1-0:31.7.0.255"),
    ("1-0:51.4.0.255", "1-0:51.7.0.255"),
    ("1-0:71.4.0.255", "1-0:71.7.0.255"),
)
"""The monitors that supervise the fuses, and the current of the phase that each looks at."""
_NO_SCRIPT = ActionItem(Obis(bytes(6)), 0)


class Equipment:
    """The behaviours of one electricity meter, by name. They act after measuring and profiles at the same moment.

    Of what happens the events are told first, so that a push carries the alarm that sends it.
    """

    def __init__(self, meter: ElectricityMeter) -> None:
        self.host = host = meter.host
        settings = meter.settings
        self.image = ImageTransferBehaviour(host, signed_by(settings.image_key), settings.image)
        profile = companion(settings.companion)
        self.events = Events(host, profile, alarm_autoclear=settings.alarm_autoclear)
        self.tamper_records = TamperRecords(host, profile)
        self.clock_events = ClockEvents(host)
        self.power = PowerSupply(host, meter.metering, last_gasp=settings.last_gasp)
        self.scripts = ScriptTables(host)
        self.watch = Watch(host, self.scripts)
        profiles = (meter.load_profile.object, meter.hourly_profile.object, meter.daily_profile.object)
        self.scripts.add(GLOBAL_RESET, 1, *(calling(item.class_id, item.obis, 1) for item in profiles))
        off, on = self._supply(meter)
        self._supervision(meter)
        self.agenda = Agenda(host)
        self.tariffs = Tariffs(host, meter.metering, self.agenda, self.scripts)
        self.billing = Billing(meter, self.agenda, self.scripts, also=[calling(61, REGISTER_TABLE, CAPTURE)])
        self.parameters = ParameterMonitorBehaviour(host, _PARAMETERS)
        self.mains = Mains(host, meter.metering, self.power)
        self.tampering = Tampering(host, meter.metering)
        self.pushes = Pushes(host, profile, version=settings.push_version)
        self._pushing()
        self._connections(settings)
        self.tables = Tables(meter, self, off, on)
        self._later()
        self.mbus: MBus | None = None
        if settings.mbus is not None:
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
        self.payment: Payment | None = None
        if settings.payment is not None:
            title = settings.system_title
            self.payment = Payment(host, meter.metering, meter.disconnector, settings.payment, title)
        self._customer(settings, meter.security)

    def _connections(self, settings: MeterSettings) -> None:
        """Add what connects, is called, and protects the port. A call of a number for waking up lets it connect.

        Where no client is ever locked out the port is not either, until somebody sets its mode.
        """
        self.connecting = AutoConnectBehaviour(self.host, self.pushes.way.dial, self.pushes.way.hang_up)
        self.pushes.way.connect_by(self.connecting)
        self.answering = AutoAnswerBehaviour(self.host, self.connecting.wake_up, mode=AutoAnswerMode.DEDICATED_LINE)
        locks = settings.guard.lock_after > 0
        mode = ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS if locks else ProtectionMode.UNLOCKED
        self.port = PortProtectionBehaviour(self.host, PORT, PORT_PROTECTION, mode=mode, allowed=PORT_ATTEMPTS)

    def _later(self) -> None:
        """Add the schedules a client may set for what a command does at once: disconnection, a new firmware."""
        activate = self.scripts.add(IMAGE_ACTIVATION, 1, calling(18, self.image.object.obis, 4))
        off = ActionItem(obis(DISCONNECTION), DISCONNECT)
        for name, script in ((DISCONNECT_SCHEDULE, off), (IMAGE_SCHEDULE, activate)):
            SingleActionBehaviour(self.host, self.agenda, self.scripts, name, script)

    def _customer(self, settings: MeterSettings, security: SecuritySetupBehaviour) -> None:
        """Add messages, display and ports of who lives with the meter."""
        self.customer = Customer(self.host, identified(settings.system_title[:3], settings.serial))
        if self.payment is not None:
            self.customer.display.more.append(self.payment.texts)
        if (keys := settings.customer_keys) is not None:
            self.customer.push = CustomerPush(
                self.host,
                self.agenda,
                self.scripts,
                keys if keys.master_key is not None else replace(keys, master_key=settings.keys.master_key),
                settings.system_title,
                script=len(self.pushes.setups) + 1,
                setup_version=settings.push_version,
                security_version=settings.security_version,
                more=self._pushed_more(settings),
            )
            if keys.master_key is None:
                self.customer.push.security.follow(security)

    def _pushed_more(self, settings: MeterSettings) -> list[tuple[int, str, int]]:
        """Return what the customer port pushes besides: of the account, and of the devices on the M-Bus."""
        more = [] if self.payment is None else list(PUSHED_OF_PAYMENT)
        for channel in () if settings.mbus is None else settings.mbus.channels:
            more += pushed_of_channel(channel.number)
        return more

    def _pushing(self) -> None:
        """Add what pushes: a script for every setup, and what runs it.

        Those at intervals have schedules (0-b:15.0.4), which never come until they are set; alarm monitors (0-0:16.1.e)
        see a descriptor leave 0.
        """
        for number, (name, setup) in enumerate(self.pushes.setups.items(), 1):
            script = self.scripts.add(PUSHING, number, calling(setup.object.class_id, setup.object.obis, 1))
            if name.startswith("interval"):
                schedule = Obis(bytes((0, setup.object.obis[1], 15, 0, 4, 255)))
                SingleActionBehaviour(self.host, self.agenda, self.scripts, str(schedule), script)
            if name in self.pushes.alarms:
                for index, register in enumerate(self.events.alarms):
                    if (descriptor := register.layout.descriptor) is not None:
                        MonitorBehaviour(
                            self.watch,
                            Obis(bytes((0, 0, 16, 1, index, 255))),
                            AttributeReference(1, descriptor, 2),
                            [axdr.double_long_unsigned(0)],
                            [ActionSet(script, _NO_SCRIPT)],
                            before=0,
                        )

    def _supply(self, meter: ElectricityMeter) -> tuple[ActionItem, ActionItem]:
        """Add what disconnects: scripts, further disconnectors, the limiter. Return the scripts for the supply."""
        settings, options = meter.settings, self.host.device.options
        meter.disconnector.moved.append(lambda closed: self.watch.disturb())
        off, on = self._switching(meter.disconnector, DISCONNECTION, DISCONNECT)
        self.disconnectors = {meter.disconnector.object.obis: meter.disconnector}
        relays = 0
        for name, mode in settings.switches.items():
            switch = Disconnector(
                self.host,
                name,
                mode=mode,
                version=settings.disconnector_version,
                delay=settings.relay_delay,
                supply=False,
            )
            channel = bytes(switch.object.obis)[1]
            # A valve has the disconnection scripts of its channel, a relay is one of the meter's output signals.
            if channel:
                self._switching(switch, f"0-{channel}:10.0.106.255", DISCONNECT)
            else:
                self._switching(switch, OUTPUT_SIGNALS, 2 * relays + DISCONNECT)
                relays += 1
            self.disconnectors[switch.object.obis] = switch
        self.limiter = LimiterBehaviour(
            self.watch,
            LIMITER,
            AttributeReference(3, obis(IMPORT), 2),
            axdr.double_long_unsigned(settings.limit),
            LimiterActions(off, on),
            min_over=60,
            min_under=300,
            pair_actions=options.limiter_pairs_actions,
            soft=settings.soft_limit,
        )
        return off, on

    def _switching(self, switch: Disconnector, table: str, first: int) -> tuple[ActionItem, ActionItem]:
        """Add the scripts that disconnect and reconnect."""
        name, class_id = switch.object.obis, switch.object.class_id
        off = self.scripts.add(table, first, calling(class_id, name, 1))
        on = self.scripts.add(table, first + RECONNECT - DISCONNECT, calling(class_id, name, 2))
        return off, on

    def _supervision(self, meter: ElectricityMeter) -> None:
        """Add the monitors of the currents. A current over the fuse is an event; a client may give it a script."""
        threshold = axdr.long_unsigned(meter.settings.fuse * 100)
        self.supervision = [
            MonitorBehaviour(
                self.watch,
                name,
                AttributeReference(3, obis(current), 2),
                [threshold],
                [ActionSet(_NO_SCRIPT, _NO_SCRIPT)],
                up=Cause.SUPERVISION_EXCEEDED,
                down=Cause.SUPERVISION_OK,
                details={"phase": phase},
            )
            for phase, (name, current) in enumerate(SUPERVISION, 1)
        ]

    def guard(self, options: GuardOptions) -> None:
        """Watch the associations, once they are there."""
        self.guarded = Guard(self.host, options)

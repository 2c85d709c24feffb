"""A feeder with everything on it: meters, the network, and the concentrator that collects from them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from cosem.association.settings import AssociationSettings
from cosem.association.steps import Step
from cosem.client.core import ClientOptions, Core
from cosem.client.firmware import broadcast_image
from cosem.concentrator.concentrator import Concentrator
from cosem.concentrator.forwarder import Forwarder
from cosem.concentrator.local import REPEATS
from cosem.concentrator.power_line import HdlcLine, PowerLineCarrier
from cosem.concentrator.reading import PATIENCE, Reading, ReadingPlan, same_settings
from cosem.concentrator.talk import Line, Talk
from cosem.device.meter import BROADCAST_CLIENT, LOAD_PROFILE, MANAGEMENT_CLIENT
from cosem.device.random import SeededRandom
from cosem.errors import Timeout
from cosem.link.base import Link
from cosem.link.hdlc.link import HdlcLink, HdlcTimeouts
from cosem.link.hdlc.parameters import HdlcParameters
from cosem.obis import Obis
from cosem.plc.initiator import InitiatorSettings
from cosem.plc.link import EVERYBODY, HDLC_OVERHEAD, LlcLink
from cosem.plc.llc import LlcSettings
from cosem.plc.mac_settings import MacSettings
from cosem.plc.procedures import Broadcast
from cosem.plc.reporting import ReportingSystem
from cosem.security.counters import MemoryCounterStore
from cosem.security.keys import Keys
from cosem.simulator.feeder import Feeder
from cosem.simulator.feeder_meter import CONCENTRATOR_TITLE, LightMeter
from cosem.simulator.feeder_network import SLOT_0, FeederNetwork, MakeMeter
from cosem.simulator.meter import DEMO_IMAGE_KEY, DEMO_KEYS

T = TypeVar("T")

DAY_SECONDS: Final = 24 * 3600
UPWARD_TITLE: Final = b"CSMCONUP"
"""The concentrator towards data collection systems: it has the example keys there, too, and counts for itself."""


class PowerLineSite:
    """A concentrator and the meters of its feeder, in virtual time; the same arguments give the same site.

    Meters are light ones (`LightMeter`), built when somebody speaks to them. `keys` are those of every meter and of the
    concentrator's own objects. `others`, `titles` and `start` as in `FeederNetwork`; `meter` builds other ones, such as
    `MeterOnLine`. With `waits` a client from outside waits as long as the line takes, while others let time pass;
    without it time runs ahead for the client.
    """

    def __init__(
        self,
        feeder: Feeder,
        *,
        seed: int = 1,
        llc: LlcSettings | None = None,
        mac: MacSettings | None = None,
        initiator: InitiatorSettings | None = None,
        keys: Keys = DEMO_KEYS,
        others: Mapping[int, int] | None = None,
        titles: Mapping[int, bytes] | None = None,
        image_key: bytes | None = DEMO_IMAGE_KEY,
        meter: MakeMeter | None = None,
        start: int = SLOT_0,
        waits: bool = False,
    ) -> None:
        self.llc = llc or LlcSettings()
        self.keys = keys
        self._image_key = image_key
        self.network = FeederNetwork(
            feeder,
            seed=seed,
            settings=mac,
            initiator=initiator or InitiatorSettings(title=CONCENTRATOR_TITLE, llc=self.llc),
            others=others,
            meter=meter or self._meter,
            titles=titles,
            start=start,
        )
        network = self.network
        self.random = SeededRandom(seed)
        self.carrier = PowerLineCarrier(lambda: network.initiator, lambda: network.now, network.flush)
        self._client_counters = MemoryCounterStore()
        self.concentrator = Concentrator(
            self.carrier,
            UPWARD_TITLE,
            same_settings(self.client_settings()),
            self.random,
            lambda: network.utc,
            keys=keys,
            start=network.start,
            settle=None if waits else self.settle,
            simulation=True,
        )
        network.timers.append((self._next, lambda slot: self.concentrator.handle_timer()))

    def _meter(self, station: int, reporting: ReportingSystem) -> LightMeter:
        network = self.network
        delta = network.medium.channel.electrical_delta(0, station)
        return LightMeter(
            reporting,
            station,
            network.utc,
            keys=self.keys,
            llc=self.llc,
            image_key=self._image_key,
            delta=delta,
        )

    def _next(self) -> int | None:
        due = self.concentrator.next_timer()
        return None if due is None else self._slot(due)

    def _slot(self, seconds: float) -> int:
        """Return the first slot that does not begin before a moment of the carrier's time."""
        rate = self.network.medium.rate
        slot = rate.slots_in(seconds)
        return slot if rate.seconds(slot) >= seconds else slot + 1

    # --- as a client ----------------------------------------------------------------------------------------------

    def client_settings(self, **changes: Any) -> AssociationSettings:
        """Return how the concentrator associates with a meter: GMAC, authenticated and encrypted."""
        options: dict[str, Any] = {
            "client_sap": MANAGEMENT_CLIENT,
            "mechanism": 5,
            "protection": 0x30,
            "keys": self.keys,
            "system_title": CONCENTRATOR_TITLE,
            "lease": lambda count: self._client_counters.lease("concentrator", count),
            "max_pdu_size": self.llc.max_sdu,
        }
        return AssociationSettings(**(options | changes))

    def settle(self, forwarder: Forwarder) -> None:
        """Let time pass until a device has answered everything, or that was given up."""
        limit = self.network.now + self.network.medium.rate.slots_in(DAY_SECONDS)
        self.network.run(limit, lambda: not forwarder.waiting)

    def run(
        self, title: bytes, conversation: Callable[[Core], Generator[Step, Any, T]], hdlc: bool = False, **settings: Any
    ) -> T:
        """Hold a conversation with the meter of `title` and return what came of it, or raise its error.

        With `hdlc` it goes by the other LLC, HDLC frames as M_sdus.

        Raises `Timeout` where it takes longer than a day.
        """
        over: list[Talk] = []
        chosen = self.client_settings(**settings)
        chosen.meter_system_title = title.ljust(8, b"\x00")
        chosen.response_timeout = chosen.connect_timeout = PATIENCE
        options = ClientOptions(retries=0, reconnects=0, max_pdu_size=self.llc.max_sdu)
        link: Link | None = None
        dial: Callable[[bytes, Callable[[], object]], Line] | None = None
        if hdlc:
            longest = self.llc.max_frame_length - HDLC_OVERHEAD
            # The initiator repeats and knows when there will be no answer.
            timeouts = HdlcTimeouts(response=PATIENCE, retries=0)
            link = HdlcLink(parameters=HdlcParameters(longest, longest, 1, 1), timeouts=timeouts)
            dial = partial(HdlcLine, self.carrier)
        talk = Talk(self.carrier, title, chosen, self.random, conversation, over.append, options, link=link, dial=dial)
        talk.start()
        limit = self.network.now + self.network.medium.rate.slots_in(DAY_SECONDS)
        while not over:
            # Between two of its own time-outs nothing but an answer moves it.
            due = talk.next_timer()
            until = limit if due is None else min(limit, self._slot(due))
            self.network.run(max(until, self.network.now), lambda: bool(over))
            if not over and self.network.now >= limit:
                raise Timeout(f"the conversation with {title.hex()} took longer than a day")
            if not over and due is not None:
                talk.handle_timer()
        result: T = talk.outcome()
        return result

    # --- what concentrators do ------------------------------------------------------------------------------------

    def read_profiles(self, plan: ReadingPlan | None = None, devices: list[bytes] | None = None) -> Reading:
        """Read a profile of every meter, and return how that went when it is over."""
        reading = self.concentrator.read(plan or ReadingPlan(Obis.parse(LOAD_PROFILE)), devices)
        self.network.run(self.network.now + self.network.medium.rate.slots_in(7 * DAY_SECONDS), lambda: reading.over)
        return reading

    def read_all(self) -> Reading:
        """Read the load profile of every meter, and whether it repeats: what the concentrator shows of its network."""
        return self.read_profiles(ReadingPlan(Obis.parse(LOAD_PROFILE), also=(REPEATS,)))

    def broadcast_image(self, image: bytes, identifier: bytes, *, block_size: int) -> int:
        """Send an image to all meters at once; return how many blocks that were.

        Who missed one gets it with `cosem.client.firmware.ImageUpdate`, alone.
        """
        return self.broadcast(lambda core: broadcast_image(image, identifier, block_size))

    def broadcast(self, conversation: Callable[[Core], Generator[Step, Any, T]]) -> T:
        """Hold a conversation with all meters at once, protected under the broadcast key: all it can do is to `Post`.

        It returns when everything was on the air.
        """
        from cosem.association.initiator import Initiator

        settings = self.client_settings(
            client_sap=BROADCAST_CLIENT,
            server_sap=EVERYBODY,
            mechanism=0,
            pre_established=True,
            broadcast=True,
            max_pdu_size_of_peer=self.llc.max_sdu,
        )
        machine = Initiator(LlcLink(self.llc), settings)
        core = Core(machine, self.random)
        waiting: list[bytes] = []

        def sent(slot: int) -> None:
            waiting.pop()

        def talk() -> Generator[Step, Any, T]:
            yield from core.open()
            return (yield from conversation(core))

        running = machine.start(talk(), self.carrier.now)
        while True:
            order = machine.driver_step()
            if order is not None:
                machine.answer(order[0], getattr(order[1], "action", _nothing)(), self.carrier.now)
                continue
            while m_sdu := machine.take():
                waiting.append(m_sdu)
                self.network.initiator.broadcast(Broadcast(m_sdu, sent=sent), self.network.now)
                self.network.flush()
            if running.done and not waiting:
                break
            self.network.run(self.network.now + 1_000, lambda: not waiting)
            machine.handle_timer(self.carrier.now)
        result: T = running.outcome()
        return result


def _nothing() -> None:
    return None

"""IEC 62056-21 mode E: both ends on a line that garbles what is sent at another speed than it is heard at."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.client.core import ClientOptions, Core
from cosem.errors import ConfigError, ConnectionLost, CosemError, LocalProtocolError
from cosem.io.memory import CLIENT_SIDE, MemoryDriver
from cosem.io.server import make_link
from cosem.link.base import Address, Discarded, LinkDown, LinkUp
from cosem.link.hdlc.link import HdlcLink, HdlcTimeouts
from cosem.link.line import Line, LineSettings
from cosem.link.mode_e.link import ModeEClient, ModeEServer
from cosem.link.mode_e.messages import Identification
from cosem.link.mode_e.settings import METER, ModeESettings, ModeETimes
from cosem.link.mode_e.state import CLIENT, SERVER, State
from cosem.link.serial import SerialLink
from cosem.obis import Obis
from support.served import make_meter

ADDRESS = Address(16, 1)
NAME = Obis.parse("0-0:42.0.0.255")
EIGHT = LineSettings(9600)
SEVEN = LineSettings(300, 7, "E", 1)
Fault = Callable[[bytes], list[bytes]]


def whole(octets: bytes) -> list[bytes]:
    return [octets]


class SerialLine:
    """A half-duplex line between two ends with their own settings, as `LossyPipe` has it in memory.

    A write takes its time. It arrives whole where both ends are set alike for all of that time, and as noise where
    not. `echo` gives the client its own octets back; `fault` (a write to the writes that become of it) damages.
    """

    def __init__(self, client: Line, server: Line, *, echo: bool = False, fault: Fault = whole) -> None:
        self.lines = (client, server)
        self.echo = echo
        self.fault = fault
        self.garbled: list[bytes] = []
        self._queue: list[tuple[float, int, int, bytes, LineSettings]] = []
        self._count = itertools.count()
        self._free = 0.0

    def send(self, side: int, octets: bytes, now: float) -> None:
        sent_at = self.lines[side].settings
        for written in self.fault(octets):
            self._free = max(now, self._free) + sent_at.seconds(len(written))
            if self.echo and side == CLIENT_SIDE:
                heapq.heappush(self._queue, (self._free, next(self._count), CLIENT_SIDE, written, sent_at))
            heapq.heappush(self._queue, (self._free, next(self._count), 1 - side, written, sent_at))

    def deliver(self, side: int, now: float) -> bytes | None:
        if not self._queue or self._queue[0][0] > now or self._queue[0][2] != side:
            return None
        _, _, _, octets, sent_at = heapq.heappop(self._queue)
        if not octets:
            return b""
        if {self.lines[0].settings, self.lines[1].settings} != {sent_at}:
            self.garbled.append(octets)
            return bytes((octet * 37 + 91) % 256 for octet in octets)
        return octets

    def next_time(self) -> float | None:
        return self._queue[0][0] if self._queue else None

    def cut(self) -> None:
        """Nobody's turn any more; what is on the line stays there."""


class Unhearing:
    """A meter that does not learn that the client has gone, as on a real port."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._responder, name)

    def lost(self, now: float) -> None:
        pass


class World:
    """A client and a meter on one line, in virtual time."""

    def __init__(
        self,
        client: ModeESettings | None = None,
        server: ModeESettings | None = None,
        *,
        echo: bool = False,
        cancel: str = "auto",
        fault: Fault = whole,
        meter: Any = None,
    ) -> None:
        client, server = client or ModeESettings(), server or ModeESettings()
        self.meter = meter or make_meter(days=0.1)
        self.mode_e = ModeEClient(
            lambda line: HdlcLink(timeouts=HdlcTimeouts(response=1 + 2 * line.seconds(140))), client
        )
        self.served = ModeEServer(lambda _: make_link("hdlc", self.meter.device), server)
        link = SerialLink(self.mode_e, self.mode_e.line, echo=cancel)
        responder = Responder(
            SerialLink(self.served, self.served.line), self.meter.device, lambda count: bytes(range(count))
        )
        association = AssociationSettings(response_timeout=60, connect_timeout=90)
        self.core = Core(Initiator(link, association), lambda count: bytes(count), ClientOptions(max_pdu_size=512))
        self.line = SerialLine(self.mode_e.line, self.served.line, echo=echo, fault=fault)
        self.driver = MemoryDriver(self.core.machine, Unhearing(responder), self.line)  # type: ignore[arg-type]
        self.link = link

    def read(self) -> bytes:
        """Open, read the logical device name, close."""
        self.driver.run(self.core.open())
        data = self.driver.run(self.core.get_data(1, NAME, 2))
        self.driver.run(self.core.close())
        assert isinstance(data.value, bytes)
        return data.value


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("software_parity", [False, True])
def test_a_meter_is_read_through_mode_e_and_again_afterwards(echo: bool, software_parity: bool) -> None:
    ends = ModeESettings(software_parity=software_parity)
    world = World(ends, ends, echo=echo)
    assert world.read() == b"CSM10000001"
    assert world.mode_e.state is State.IDLE
    world.driver.run(world.core.open())
    assert (world.mode_e.state, world.served.state) == (State.HDLC, State.HDLC)
    assert world.mode_e.line.settings == world.served.line.settings == EIGHT
    assert world.link.echo.present is echo
    world.driver.run(world.core.close())
    assert world.read() == b"CSM10000001"
    # Nothing was ever sent at a speed at which the other end did not listen.
    assert world.line.garbled == []
    assert list(world.core.machine.problems) == []


@pytest.mark.parametrize("offered", "0123456789")
@pytest.mark.parametrize("limit", [None, 300, 2000, 4800, 115200])
def test_the_speed_is_the_highest_that_both_ends_know(offered: str, limit: int | None) -> None:
    world = World(ModeESettings(max_baud=limit), ModeESettings(identification=METER._replace(letter=offered)))
    world.driver.run(world.core.open())
    speeds = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
    expected = max(speed for speed in speeds[: int(offered) + 1] if limit is None or speed <= limit)
    assert world.served.line.settings == LineSettings(expected)
    assert world.line.garbled == []


def test_a_sleeping_meter_is_woken_by_nulls() -> None:
    world = World(ModeESettings(wake_up=True))
    assert world.read() == b"CSM10000001"
    assert world.driver.now > 2.1 + 1.5


def test_only_the_device_that_is_asked_for_answers() -> None:
    assert World(ModeESettings(address="0042"), ModeESettings(address="42")).read() == b"CSM10000001"
    world = World(ModeESettings(address="43"), ModeESettings(address="42"))
    with pytest.raises(
        ConnectionLost, match=r"after /\?43! was sent 3 times at 300 Bd 7E1; is this the device address"
    ):
        world.driver.run(world.core.open())


def test_a_client_that_vanishes_leaves_the_meter_deaf_until_its_time_out() -> None:
    world = World(ModeESettings(tries=1))
    world.driver.run(world.core.open())
    another = World(ModeESettings(tries=1), meter=world.meter)
    another.driver.responder, another.driver.now = world.driver.responder, world.driver.now
    another.line.lines = (another.mode_e.line, world.served.line)
    with pytest.raises(ConnectionLost, match="hears again when its inactivity time-out is over"):
        another.driver.run(another.core.open())
    another.driver.now += 130
    assert another.read() == b"CSM10000001"


def test_a_client_that_lost_the_line_goes_on_at_the_speed_where_it_left_the_meter() -> None:
    world = World(ModeESettings(max_baud=2400))
    world.driver.run(world.core.open())
    world.core.machine.lost(world.driver.now)
    assert world.mode_e.line.settings == SEVEN
    assert world.read() == b"CSM10000001"
    assert world.driver.now < 30
    # It knows only once: what it left in order begins with the opening.
    world.line.garbled.clear()
    assert world.read() == b"CSM10000001"
    assert world.line.garbled == []


def test_a_meter_that_offers_no_hdlc_connection_goes_back_to_mode_e() -> None:
    server = ModeEServer(lambda _: HdlcLink(server=True))
    _open_port(server)
    assert server.state is State.HDLC
    due = server.next_timer()
    assert due is not None
    server.handle_timer(due)
    assert (server.state, server.line.settings) == (State.IDLE, SEVEN)


# --- what goes wrong, in words -------------------------------------------------------------------------------------


def _client(**options: Any) -> ModeEClient:
    client = ModeEClient(lambda _: HdlcLink(), ModeESettings(**options))
    assert client.connect(ADDRESS, 0.0) == []
    assert client.take() == b"/?!\r\n"
    return client


def _open_port(server: ModeEServer) -> None:
    now = 0.0
    for message in (b"/?!\r\n", b"\x06252\r\n"):
        server.receive(message, now)
        for _ in range(2):
            due = server.next_timer()
            if due is not None and due < now + 1:
                now = due
                server.handle_timer(now)
                server.take()
                if message == b"/?!\r\n":
                    break


def _end(client: ModeEClient, now: float = 0.0) -> str:
    """Let time pass until the client gives up; return why."""
    for _ in range(50):
        due = client.next_timer()
        assert due is not None
        for event in client.handle_timer(due):
            if isinstance(event, LinkDown):
                assert client.state is State.IDLE
                assert client.next_timer() is None
                assert client.line.settings == client.settings.initial
                return event.reason
        client.take()
    raise AssertionError("the client never gives up")


@pytest.mark.parametrize(
    ("identification", "mode"),
    [
        (b"/LGZ4ZMD120AR\r\n", "mode C (or D)"),
        (b"/EMHBITZ\r\n", "mode B"),
        (b"/ABC*old\r\n", "mode A"),
        (b"/LGZ5\\@x\r\n", "mode C (or D)"),
    ],
)
def test_a_meter_of_another_mode_is_told_in_words(identification: bytes, mode: str) -> None:
    client = _client()
    (event,) = client.receive(identification, 0.5)
    assert isinstance(event, LinkDown)
    assert mode in event.reason
    assert "does not offer HDLC (mode E" in event.reason
    assert client.state is State.IDLE


def test_a_client_may_insist_where_the_meter_does_not_offer_hdlc() -> None:
    client = _client(insist=True)
    assert client.receive(b"/LGZ5ZMD120AR\r\n", 0.5) == []
    client.handle_timer(0.8)
    assert client.take() == b"\x06252\r\n"


def test_a_speed_that_nobody_knows_ends_the_opening() -> None:
    (event,) = _client().receive(b"/LGZA\\2x\r\n", 0.5)
    assert isinstance(event, LinkDown)
    assert "a speed that nobody knows: 'A'" in event.reason


def test_silence_is_told_with_what_to_try() -> None:
    reason = _end(_client())
    assert reason.startswith("no identification after /?! was sent 3 times at 300 Bd 7E1; is the head on the optical")


def test_a_head_that_works_before_a_silent_meter_is_told() -> None:
    inner = ModeEClient(lambda _: HdlcLink(), ModeESettings(tries=1))
    link = SerialLink(inner, inner.line)
    link.connect(ADDRESS, 0.0)
    assert link.receive(link.take(), 0.2) == []
    (event,) = link.handle_timer(10.0)
    assert isinstance(event, LinkDown)
    assert event.reason.endswith("only our own octets came back: the head works, the meter is silent")


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        (b"\xff\xf0\x81\x00", "4 octets came that are no message: the speed or the parity may be another"),
        (b"hello\r\n", "something came that could not be used: no identification"),
        (b"/?!!\r\n", "no identification"),
        (b"/L5\r\n", "no identification"),
    ],
)
def test_noise_instead_of_an_identification_is_told(noise: bytes, words: str) -> None:
    client = _client(tries=1)
    client.receive(noise, 0.5)
    assert words in _end(client)


def test_noise_in_place_of_the_confirmation_is_no_data_readout() -> None:
    client = _client()
    client.receive(b"/APA5\\2NORAX30\r\n", 0.5)
    client.handle_timer(0.8)
    client.take()
    for noise in (b"\x02\n", b"\x02\x81\x05\x06\x07\x08\x09\n", b"ab\x02cd\n"):
        assert all(isinstance(event, Discarded) for event in client.receive(noise, 0.9))
    assert client.state is State.SELECTING


def test_a_data_readout_instead_of_the_confirmation_is_told() -> None:
    client = _client()
    client.receive(b"/APA5\\2NORAX30\r\n", 0.5)
    client.handle_timer(0.8)
    client.take()
    (event,) = client.receive(b"\x020-0:C.1.0(72432595)\r\n", 1.5)
    assert isinstance(event, LinkDown)
    assert "data readout in plain text: it refuses mode E" in event.reason


@pytest.mark.parametrize("demanded", [False, True])
def test_a_confirmation_that_does_not_come_is_missed_only_where_it_is_demanded(demanded: bool) -> None:
    client = _client(confirmation=demanded)
    client.receive(b"/APA5\\2NORAX30\r\n", 0.5)
    if demanded:
        assert _end(client) == "the meter does not confirm the change to 9600 Bd"
        return
    while client.state is not State.HDLC:
        due = client.next_timer()
        assert due is not None
        client.handle_timer(due)
        sent = client.take()
    assert sent.startswith(b"\x7e\xa0")
    assert client.line.settings == EIGHT


def test_the_identification_may_come_slowly_and_behind_noise() -> None:
    client = _client()
    now = 1.4
    for octet in b"\x00\xf9/LGZ5\\2\x20a b\r\n":
        assert client.state is State.OPENING
        assert client.next_timer() is not None
        assert client.next_timer() > now  # type: ignore[operator]
        client.receive(bytes((octet,)), now)
        now += 0.4
    assert client.state is State.REACTING
    assert client.identification == Identification("LGZ", "5", "2", " a b")


def test_a_quick_meter_is_answered_sooner() -> None:
    slow, quick = _client(), _client()
    slow.receive(b"/LGZ5\\2x\r\n", 1.0)
    quick.receive(b"/LGz5\\2x\r\n", 1.0)
    assert slow.next_timer() == pytest.approx(1.2)
    assert quick.next_timer() == pytest.approx(1.02)


def test_wrong_parity_in_eight_bits_is_no_message_and_is_repeated() -> None:
    client = ModeEClient(lambda _: HdlcLink(), ModeESettings(software_parity=True))
    client.connect(ADDRESS, 0.0)
    assert client.take() == b"\xaf\x3f\x21\x8d\x0a"
    (event,) = client.receive(b"/LGZ\xb55\\2x\r\n", 0.5)
    assert isinstance(event, Discarded)
    assert "wrong parity" in event.reason
    assert client.state is State.OPENING
    client.handle_timer(client.next_timer() or 0.0)
    assert client.take() == b"\xaf\x3f\x21\x8d\x0a"
    # A device that sends no parity at all in eight bits is understood.
    assert client.receive(b"/LGZ5\\2x\r\n", 5.0) == []
    assert client.state is State.REACTING


@pytest.mark.parametrize("selection", [b"\x06050\r\n", b"\x06051\r\n", b"\x06262\r\n", b"\x0625\r\n", b"\x06999\r\n"])
def test_a_meter_hands_over_for_nothing_but_hdlc_at_its_speed(selection: bytes) -> None:
    server = ModeEServer(lambda _: HdlcLink(server=True))
    server.receive(b"\x00\x00\x00/?!\r\n", 0.0)
    server.handle_timer(0.2)
    assert server.take() == b"/CSM5\\2COSEM\r\n"
    (event,) = server.receive(selection, 1.0)
    assert isinstance(event, Discarded)
    assert server.state in (State.IDLE, State.OFFERED)
    server.handle_timer(60.0)
    assert (server.state, server.line.settings) == (State.IDLE, SEVEN)


def test_settings_that_cannot_be_are_refused() -> None:
    for options in (
        {"address": "4/2"},
        {"max_baud": 200},
        {"tries": 0},
        {"baud": 0},
        {"identification": METER._replace(text="x" * 80)},
    ):
        with pytest.raises(ConfigError):
            ModeESettings(**options)  # type: ignore[arg-type]
    for identification in (METER._replace(letter="B"), METER._replace(enhanced="")):
        with pytest.raises(ConfigError):
            ModeEServer(lambda _: HdlcLink(), ModeESettings(identification=identification))


def test_an_order_that_hdlc_refuses_comes_back_as_an_event() -> None:
    client = _client()
    with pytest.raises(LocalProtocolError):
        client.connect(ADDRESS, 0.0)
    everybody = Address(16, 0x7F)
    client.connect(everybody, 0.0)
    client.receive(b"/APA5\\2NORAX30\r\n", 0.5)
    events: list[Any] = []
    for _ in range(4):
        events += client.handle_timer(client.next_timer() or 0.0)
        client.take()
    assert [event.address for event in events] == [everybody]
    assert "all stations" in events[0].reason
    assert client.state is State.HDLC


def test_several_connections_share_an_open_port_and_the_last_one_closes_it() -> None:
    world = World()
    world.driver.run(world.core.open())
    link, meter, now = world.link, world.driver.responder, world.driver.now
    assert meter is not None

    def exchange() -> list[Any]:
        octets = link.take()
        meter.receive(octets, now)
        return link.receive(meter.take(), now)

    second = Address(2, 1)
    link.connect(second, now)
    assert [event for event in exchange() if isinstance(event, LinkUp)] == [LinkUp(second)]
    link.disconnect(ADDRESS, now)
    assert any(isinstance(event, LinkDown) and event.address == ADDRESS for event in exchange())
    assert world.mode_e.state is world.served.state is State.HDLC
    link.disconnect(second, now)
    exchange()
    assert (world.mode_e.state, world.served.state) == (State.IDLE, State.CLOSING)


def test_an_opening_can_be_called_off() -> None:
    client = _client()
    assert client.disconnect(Address(1, 1), 0.1) == []
    assert client.disconnect(ADDRESS, 0.1) == [LinkDown(ADDRESS, "closed by this side")]
    assert (client.state, client.next_timer(), client.take()) == (State.IDLE, None, b"")


def test_the_line_does_not_change_below_a_message_that_nobody_took() -> None:
    client = _client()
    client.receive(b"/APA5\\2NORAX30\r\n", 0.5)
    client.handle_timer(0.8)
    client.handle_timer(1.5)
    assert (client.state, client.line.settings) == (State.SELECTING, SEVEN)
    assert client.take() == b"\x06252\r\n"
    client.handle_timer(client.next_timer() or 0.0)
    assert client.line.settings == LineSettings(9600, 7, "E", 1)


# --- bad lines -------------------------------------------------------------------------------------------------------


def _faulty(seed: int, share: float, until: int) -> Fault:
    """Lose, cut, turn a bit in, or put noise before a share of the first writes."""
    random = Random(seed)
    count = itertools.count()

    def fault(octets: bytes) -> list[bytes]:
        if next(count) >= until or random.random() >= share:
            return [octets]
        kind = random.randrange(4)
        if kind == 0:
            return []
        at = random.randrange(len(octets))
        if kind == 1:
            return [octets[:at]] if at else [octets[1:]]
        if kind == 2:
            return [octets[:at] + bytes((octets[at] ^ 1 << random.randrange(7),)) + octets[at + 1 :]]
        return [bytes(random.randrange(128) for _ in range(3)) + octets]

    return fault


@given(st.integers(0, 2**32), st.floats(0, 0.5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_bad_line_ends_in_a_reading_or_in_words_and_the_next_session_works(
    seed: int, share: float, echo: bool
) -> None:
    world = World(echo=echo, fault=_faulty(seed, share, 25), meter=METER_OF_ALL)
    with suppress(CosemError):
        assert world.read() == b"CSM10000001"
    assert world.driver.now < 400
    world.line.fault = whole
    world.core.machine.lost(world.driver.now)
    world.driver.now += 130
    assert world.read() == b"CSM10000001"


METER_OF_ALL = make_meter(days=0.1)


# --- every state, every input --------------------------------------------------------------------------------------

MESSAGES = (
    b"/?!\r\n",
    b"/?42!\r\n",
    b"/LGZ5\\2x\r\n",
    b"/LGz0\\2\r\n",
    b"/LGZ4ZMD\r\n",
    b"\x06252\r\n",
    b"\x06202\r\n",
    b"\x06050\r\n",
    b"\x021.8.0(1*kWh)\r\n",
    b"\r\n",
    b"\x00" * 70,
    bytes.fromhex("7ea00703032193ee0f7e"),
    bytes.fromhex("7ea0070303931b8b7e"),
    bytes.fromhex("7ea00703037301037e"),
)
ACTIONS = st.lists(
    st.one_of(
        st.sampled_from(MESSAGES),
        st.binary(max_size=30),
        st.sampled_from(["timer", "timer", "timer", "connect", "disconnect", "lost", "take"]),
    ),
    max_size=40,
)


@given(ACTIONS, st.booleans(), st.booleans())
def test_every_input_in_every_state_keeps_to_the_table(actions: list[Any], server: bool, wake_up: bool) -> None:
    chosen = ModeESettings(wake_up=wake_up, times=ModeETimes(slack=0.4))
    machine: Any
    if server:
        machine, table = ModeEServer(lambda _: HdlcLink(server=True), chosen), SERVER
    else:
        machine, table = ModeEClient(lambda _: HdlcLink(), chosen), CLIENT
    reachable = {(before, after) for (before, _), after in table.items()} | {(state, state) for state in State}
    now, open_orders = 0.0, 0
    for action in actions:
        before = machine.state
        now += 0.01
        try:
            if isinstance(action, bytes):
                events = machine.receive(action, now)
            elif action == "timer":
                now = max(now, machine.next_timer() or now)
                events = machine.handle_timer(now)
            elif action == "take":
                events, _ = [], machine.take()
            elif action == "lost":
                events = machine.lost(now)
            elif server:
                events = machine.disconnect(ADDRESS, now)
            elif action == "connect":
                events = machine.connect(ADDRESS, now)
                open_orders += 1
            else:
                events = machine.disconnect(ADDRESS, now)
        except LocalProtocolError:
            assert action == "connect"
            continue
        assert all(isinstance(event, (LinkUp, LinkDown, Discarded)) for event in events)
        if not server:
            open_orders -= sum(isinstance(event, LinkDown) for event in events)
            assert open_orders >= 0
        assert _reached(before, machine.state, reachable)
        # Nothing is waited for without an end.
        assert machine.state in (State.IDLE, State.HDLC) or machine.next_timer() is not None
        if machine.state is State.IDLE:
            assert machine.line.settings == chosen.initial
            assert machine.next_timer() is None
        elif machine.state in (State.HDLC, State.SETTLING):
            assert machine.line.settings[1:] == (8, "N", 1)


def _reached(before: State, after: State, steps: set[tuple[State, State]]) -> bool:
    """Whether `after` is at most three steps from `before`: one read may hold several messages."""
    found = {before}
    for _ in range(3):
        found |= {target for source, target in steps if source in found}
    return after in found


def test_each_table_leads_back_to_idle_from_everywhere() -> None:
    for table in (CLIENT, SERVER):
        assert set(table.values()) <= {state for state, _ in table}
        for state in {state for state, _ in table}:
            seen = {state}
            for _ in State:
                seen |= {after for (before, event), after in table.items() if before in seen and event.name != "LOST"}
            assert State.IDLE in seen

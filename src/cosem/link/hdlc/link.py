"""The HDLC link of either side as one machine: many connections of a server, one or more of a client.

Implements `cosem.link.base.Link`. The LLC header E6 E6 00 or E6 E7 00 is added to what is sent and taken off what
comes. What else real meters do is understood as far as `cosem.tolerances` says.

A client that hears nothing asks with RR how far the meter has come, and sends again only what was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from cosem.errors import ConfigError, DecodeError, LocalProtocolError
from cosem.link.base import Address, ApduReceived, Discarded, LinkDown, LinkEvent, LinkUp
from cosem.link.hdlc import parameters as negotiation
from cosem.link.hdlc import reject
from cosem.link.hdlc.connection import Connection
from cosem.link.hdlc.frame import CONTROL, UNKNOWN, Frame, HdlcAddress, build, control_text
from cosem.link.hdlc.parameters import MAX_INFO, HdlcParameters
from cosem.link.hdlc.reject import Rejection
from cosem.link.hdlc.splitter import FrameSplitter
from cosem.link.hdlc.state import CLIENT, SERVER, Event, State
from cosem.link.hdlc.station import MAX_QUEUED, Segment, Station
from cosem.link.hdlc.turns import answers, hands_over
from cosem.link.hdlc.unnumbered import SegmentJoiner
from cosem.tolerances import SERVER_TOLERANCES, TOLERANT, Tolerances

LLC_COMMAND = b"\xe6\xe6\x00"
LLC_RESPONSE = b"\xe6\xe7\x00"
_LLC = (LLC_COMMAND, LLC_RESPONSE)
MAX_CONNECTIONS = 64
"""Connections of one server line; a meter has a handful of clients."""
MAX_SPARED = 8
"""Damaged answers in a row that do not count as silence: a line that is never better is given up all the same."""
_SAID = frozenset(("I", "RR", "RNR", "REJ"))
PATIENCE = 0.1
"""Share of the time already waited that passes until the meter is asked again."""
SLOWEST_POLL = 5.0
"""Seconds between two questions at the most; well inside the inactivity time-out of any server."""


@dataclass(frozen=True, slots=True)
class HdlcTimeouts:
    """Seconds, and how often. Meters answer within a second on a serial line; the standard leaves both open.

    `response`: a client waits so long for the end of the meter's turn, then asks again, `retries` times.
    `poll`: shortest pause between two questions to a meter that is there and has no answer yet.
    `inactivity`: a server forgets a client it has not heard for so long (0: never).
    `inter_octet`: a frame that does not go on for so long is given up.
    """

    response: float = 3.0
    retries: int = 3
    poll: float = 0.2
    inactivity: float = 120.0
    inter_octet: float = 2.0


class HdlcLink:
    """HDLC of one side. `accepts` (server) says which addresses exist; the others get no answer.

    `calling` (server): this device opened the line, and hears the calling physical device address (7E, 3FFE) as
    `Address.physical` None. `server_address_size` (client): octets of the server's address, the fewest without it.
    Raises `ConfigError` for parameters no frame can keep.
    """

    repairs: ClassVar[bool] = True

    def __init__(
        self,
        *,
        server: bool = False,
        parameters: HdlcParameters = negotiation.DEFAULT,
        timeouts: HdlcTimeouts | None = None,
        server_address_size: int | None = None,
        accepts: Callable[[Address], bool] | None = None,
        tolerances: Tolerances | None = None,
        calling: bool = False,
    ) -> None:
        self.server = server
        try:
            self.parameters = negotiation.checked(parameters)
        except DecodeError as error:
            raise ConfigError(error.what) from None
        if max(parameters.max_info_tx, parameters.max_info_rx) > MAX_INFO:
            raise ConfigError(f"an information field has {MAX_INFO} octets at the most")
        self.timeouts = timeouts or HdlcTimeouts()
        self.server_address_size = server_address_size
        self.accepts = accepts
        self.tolerances = tolerances or (SERVER_TOLERANCES if server else TOLERANT)
        self.calling = calling
        self._splitter = FrameSplitter(unknown=True)
        self._connections: dict[Address, Connection] = {}
        self._routes: dict[tuple[bytes, bytes], Connection] = {}
        self._out: list[bytes] = []
        self._joiner = SegmentJoiner(self.timeouts.response)
        self._octets_at: float | None = None
        self._table = SERVER if server else CLIENT
        self._llc, self._other_llc = (LLC_RESPONSE, LLC_COMMAND) if server else (LLC_COMMAND, LLC_RESPONSE)

    # --- what the side above calls -------------------------------------------------------------------------

    def connect(self, address: Address, now: float) -> list[LinkEvent]:
        """Send SNRM towards `address` (client side)."""
        connection = self._client_connection(address)
        self._move(connection, Event.CONNECT)
        connection.tries = 0
        self._send_command(connection, "SNRM", now)
        return []

    def disconnect(self, address: Address, now: float) -> list[LinkEvent]:
        """Send DISC (client side), or forget the connection (server side)."""
        connection = self._connections.get(address)
        if connection is None or connection.state in (State.NDM, State.DISCONNECTING):
            return []
        self._move(connection, Event.DISCONNECT)
        if self.server:
            return self._down(connection, "closed by this side")
        connection.tries = 0
        self._send_command(connection, "DISC", now)
        return []

    def send(self, address: Address, apdu: bytes, now: float, *, confirmed: bool = True) -> None:
        """Queue one APDU in I frames, or in UI frames where `confirmed` is false."""
        if not confirmed:
            self._send_unnumbered(address, self._llc + apdu)
            return
        connection = self._open_connection(address)
        connection.station.offer(self._llc + apdu)
        if not self.server:
            connection.expects += hands_over(apdu)
            self._use_turn(connection, now)

    def set_busy(self, address: Address, busy: bool, now: float) -> None:
        """Say RNR from now on, and take no I frames, or be ready again. Raises `LocalProtocolError` if not open."""
        connection = self._open_connection(address)
        connection.station.busy = busy
        if not self.server and not busy:
            # The meter learns it at once, if it is our turn to speak.
            connection.station.missing = connection.station.missing or connection.expects > 0
            self._use_turn(connection, now)

    def poll(self, address: Address, now: float) -> None:
        """Ask the meter whether it has something to say (client side). Raises `LocalProtocolError` if not open."""
        connection = self._open_connection(address)
        if not self.server and connection.station.holds:
            self._ask(connection, now)

    def _open_connection(self, address: Address) -> Connection:
        connection = self._connections.get(address)
        if connection is None or connection.state is not State.NRM:
            raise LocalProtocolError(f"the HDLC connection {address} is not open")
        return connection

    def take(self) -> bytes:
        """Return the octets to send; a server that was asked and has nothing to say hands the turn back with RR."""
        if self.server:
            for connection in self._connections.values():
                if connection.state is State.NRM and connection.station.holds:
                    self._respond(connection)
        octets = b"".join(self._out)
        self._out.clear()
        return octets

    def lost(self, now: float) -> list[LinkEvent]:
        """Close every connection because the transport is gone."""
        self._splitter = FrameSplitter(unknown=True)
        self._octets_at = None
        self._out.clear()
        self._joiner.clear()
        events: list[LinkEvent] = []
        for connection in list(self._connections.values()):
            if connection.state is not State.NDM:
                self._move(connection, Event.LOST)
                events += self._down(connection, "the transport was lost")
        return events

    # --- octets --------------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take octets from the line."""
        # A frame that was begun too long ago does not go on with these octets.
        events = self._give_up_frame(now)
        for item in self._splitter.feed(octets):
            if isinstance(item, Discarded):
                self._damage(item, events)
            else:
                self._receive_frame(item[0], item[1], now, events)
        self._octets_at = now if self._splitter.waiting > 1 else None
        if self._octets_at is not None and not self.server:
            # A long frame on a slow line is no silence.
            for connection in self._connections.values():
                if connection.due is not None:
                    connection.due = max(connection.due, now + self.timeouts.inter_octet)
        return events

    def _damage(self, item: Discarded, events: list[LinkEvent]) -> None:
        events.append(item)
        for connection in self._connections.values():
            connection.damaged = True

    def _give_up_frame(self, now: float) -> list[LinkEvent]:
        events: list[LinkEvent] = []
        if self._octets_at is not None and now >= self._octets_at + self.timeouts.inter_octet:
            self._octets_at = None
            for item in self._splitter.flush():
                if isinstance(item, Discarded):
                    self._damage(item, events)
                else:
                    self._receive_frame(item[0], item[1], now, events)
        return events

    def _receive_frame(self, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]) -> None:
        if frame.kind == "UI":
            self._receive_unnumbered(frame, octets, now, events)
            return
        if self.server:
            connection = self._server_connection(frame)
            handler = self._server_frame
        else:
            connection = self._routes.get((frame.source.octets, frame.destination.octets))
            handler = self._client_frame
        if connection is not None:
            handler(connection, frame, octets, now, events)
        elif self._pushed(frame):
            self._receive_segment(frame, octets, now, events)
        else:
            events.append(Discarded(octets, "for or from another address"))

    def _pushed(self, frame: Frame) -> bool:
        """Whether an I frame of no connection is a push to whoever listens."""
        if self.server or frame.kind != "I" or not self.tolerances.push_to_no_station:
            return False
        return frame.destination.no_station or frame.destination.broadcast

    def _receive_unnumbered(self, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]) -> None:
        destination = frame.destination
        if self.server and not destination.broadcast:
            accepts = self.accepts
            if not self._heard(destination) or (accepts is not None and not accepts(self._address(frame))):
                events.append(Discarded(octets, "for another address"))
                return
        self._receive_segment(frame, octets, now, events)

    def _receive_segment(self, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]) -> None:
        whole, given_up = self._joiner.take(frame, octets, now)
        events += given_up
        apdu = self._without_llc(whole, events) if whole is not None else b""
        if apdu:
            events.append(ApduReceived(self._address(frame), apdu, confirmed=False))

    def _without_llc(self, octets: bytes, events: list[LinkEvent]) -> bytes:
        """Take the LLC header off; return nothing where there is nothing behind it, or it is wrong."""
        if not octets:
            return b""
        header = octets[:3]
        if header == self._other_llc or (header == self._llc and self.tolerances.llc_of_other_side):
            return octets[3:]
        if header != self._llc and self.tolerances.llc_absent:
            return octets
        events.append(Discarded(octets, "no LLC header of the other side"))
        return b""

    def _address(self, frame: Frame) -> Address:
        client, server = (frame.source, frame.destination) if self.server else (frame.destination, frame.source)
        if self.server and server.calling:
            return Address(client.upper, server.upper)
        return Address(client.upper, server.upper, server.lower)

    def _heard(self, destination: HdlcAddress) -> bool:
        """Whether a server listens to an address at all."""
        return not destination.no_station and (self.calling or not destination.calling)

    # --- the server's side ---------------------------------------------------------------------------------

    def _server_connection(self, frame: Frame) -> Connection | None:
        """Return the connection of a pair of addresses, a new one if need be, or None where it does not exist.

        The same pair in an address field of another size is the same pair; it is answered in the size it used last.
        """
        if frame.destination.broadcast or frame.source.broadcast or not self._heard(frame.destination):
            return None
        address = self._address(frame)
        connection = self._connections.get(address)
        if connection is not None:
            connection.peer, connection.own = frame.source.octets, frame.destination.octets
            return connection
        if self.accepts is not None and not self.accepts(address):
            return None
        if len(self._connections) >= MAX_CONNECTIONS:
            for idle in [key for key, item in self._connections.items() if item.state is State.NDM]:
                del self._connections[idle]
            if len(self._connections) >= MAX_CONNECTIONS:
                return None
        connection = Connection(address, frame.source.octets, frame.destination.octets, Station(holds=False))
        self._connections[address] = connection
        return connection

    def _server_frame(
        self, connection: Connection, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]
    ) -> None:
        kind = frame.kind
        if kind == "SNRM":
            self._server_snrm(connection, frame, now, events)
        elif kind == "DISC":
            connected = connection.state is State.NRM
            self._move(connection, Event.DISC)
            self._emit(connection, CONTROL["UA" if connected else "DM"] | 0x10)
            if connected:
                events += self._down(connection, "closed by the client")
        elif connection.state is not State.NRM:
            if frame.pf:
                self._emit(connection, CONTROL["DM"] | 0x10)
            events.append(Discarded(octets, f"{kind} while disconnected"))
        elif kind == UNKNOWN or (kind == "REJ" and not self.tolerances.reject_frames):
            self._reject(connection, frame, octets, f"{control_text(frame.control)} is not known here", events)
        elif kind in _SAID:
            self._stay(connection, now)
            self._data(connection, frame, octets, now, events)
        else:
            events.append(Discarded(octets, f"{kind} is not for a server"))

    def _stay(self, connection: Connection, now: float) -> None:
        connection.due = now + self.timeouts.inactivity if self.timeouts.inactivity else None

    def _server_snrm(self, connection: Connection, frame: Frame, now: float, events: list[LinkEvent]) -> None:
        if connection.state is State.NRM:
            events += self._down(connection, "the client connects again", forget=False)
        agreed = self.parameters.agreed(negotiation.proposed(frame.info))
        self._move(connection, Event.SNRM)
        connection.station = Station(
            agreed, holds=False, long_information=self.tolerances.long_information, room=MAX_QUEUED
        )
        self._stay(connection, now)
        self._emit(connection, CONTROL["UA"] | 0x10, agreed.encode())
        events.append(LinkUp(connection.address))

    def _respond(self, connection: Connection) -> None:
        """Use the turn: send what is queued, or RR."""
        connection.station.holds = False
        self._emit_turn(connection, connection.station.burst())

    # --- the client's side ---------------------------------------------------------------------------------

    def _client_connection(self, address: Address) -> Connection:
        connection = self._connections.get(address)
        if connection is None:
            peer, own = self._octets_of(address)
            if HdlcAddress.of(address.server, address.physical, len(peer)).broadcast:
                raise LocalProtocolError(f"{address} is for all stations: none of them answers")
            if (peer, own) in self._routes:
                raise LocalProtocolError(f"{address} looks on the line like {self._routes[peer, own].address}")
            connection = Connection(address, peer, own, Station(holds=True))
            self._connections[address] = self._routes[peer, own] = connection
        return connection

    def _octets_of(self, address: Address) -> tuple[bytes, bytes]:
        """Return the server's and the client's address field."""
        try:
            client = HdlcAddress.of(address.client, size=1).octets
            return HdlcAddress.of(address.server, address.physical, self.server_address_size).octets, client
        except ValueError as error:
            raise LocalProtocolError(str(error)) from None

    def _client_frame(
        self, connection: Connection, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]
    ) -> None:
        kind, state = frame.kind, connection.state
        if kind == "UA" and state is State.CONNECTING:
            agreed = self.parameters.agreed(negotiation.proposed(frame.info))
            self._move(connection, Event.UA)
            connection.station = Station(agreed, holds=True, long_information=self.tolerances.long_information)
            connection.due, connection.expects, connection.checking = None, 0, False
            connection.tries = connection.spared = 0
            events.append(LinkUp(connection.address))
        elif kind in ("UA", "DM") and state is State.DISCONNECTING:
            self._move(connection, Event.UA)
            events += self._down(connection, "closed")
        elif kind == "DM" and state in (State.CONNECTING, State.NRM):
            self._move(connection, Event.DM)
            what = "refuses the connection" if state is State.CONNECTING else "is disconnected"
            events += self._down(connection, f"the meter {what} (DM)")
        elif kind == "FRMR" and state is State.NRM:
            self._move(connection, Event.FRMR)
            events += self._down(connection, _frmr_text(frame.info))
        elif kind in _SAID and state is State.NRM and (kind != "REJ" or self.tolerances.reject_frames):
            self._data(connection, frame, octets, now, events)
        else:
            events.append(Discarded(octets, f"{control_text(frame.control)} while {state.value}"))

    def _use_turn(self, connection: Connection, now: float) -> None:
        """If it is the client's turn, send what there is to send, ask for more, or keep the turn."""
        station = connection.station
        if not station.holds:
            return
        progress, station.progress = station.progress, False
        burst = station.burst()
        if burst or progress:
            connection.since = now
        if burst:
            station.holds = False
            station.missing = False
            connection.checking = False
            self._emit_turn(connection, burst)
            connection.due = now + self.timeouts.response
        elif not station.refusing and (station.more_expected or station.missing) and not station.peer_busy:
            self._ask(connection, now)
        elif station.peer_busy and progress:
            # A meter whose answers have filled it up gets rid of them by being asked.
            self._ask(connection, now)
        elif connection.expects or (station.peer_busy and not station.idle):
            least = self.timeouts.response if station.refusing else self.timeouts.poll
            due = now + max(least, min(SLOWEST_POLL, (now - connection.since) * PATIENCE))
            connection.due = due if connection.due is None else min(due, connection.due)

    def _ask(self, connection: Connection, now: float) -> None:
        """Hand the turn over with RR, or RNR."""
        station = connection.station
        station.holds = False
        if not station.refusing:
            station.missing = False
        self._emit_turn(connection, [])
        connection.due = now + self.timeouts.response

    # --- both ----------------------------------------------------------------------------------------------

    def _data(self, connection: Connection, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]) -> None:
        station = connection.station
        held, checking = station.holds, connection.checking
        outcome = station.accept(frame)
        if outcome.reject:
            self._reject(connection, frame, octets, outcome.problem or "", events, outcome.reject)
            return
        if outcome.problem is not None:
            events.append(Discarded(octets, outcome.problem))
        if outcome.problem is None or outcome.stale:
            # Whatever it says, the peer is there.
            connection.tries = connection.spared = 0
        if outcome.apdu is not None:
            apdu = self._without_llc(outcome.apdu, events)
            if apdu:
                if connection.expects and answers(apdu):
                    connection.expects -= 1
                events.append(ApduReceived(connection.address, apdu))
        if self.server:
            # An incomplete APDU needs no answer from above: `take` hands the turn back.
            return
        if not station.holds:
            # More frames of the same turn follow.
            connection.due = now + self.timeouts.response
            return
        if outcome.stale and not held and not checking:
            # The answer to our last frames is still under way. Sending them again now would be answered twice, and
            # each of those answers again: one doubled frame would double the traffic for good.
            station.holds = False
            if len(station.unacknowledged) > 1:
                # Or the first of several was lost, and the peer waits for it.
                connection.due = now + self.timeouts.poll
            return
        connection.due = None
        connection.checking = False
        self._use_turn(connection, now)

    def _reject(
        self,
        connection: Connection,
        frame: Frame,
        octets: bytes,
        problem: str,
        events: list[LinkEvent],
        reasons: int = reject.UNKNOWN_CONTROL,
    ) -> None:
        """End the connection because of a frame that must not be: a server says so with FRMR."""
        events.append(Discarded(octets, problem))
        self._move(connection, Event.REJECT)
        if self.server:
            station = connection.station
            rejection = Rejection(frame.control, station.send_state, station.receive_state, False, reasons)
            self._emit(connection, CONTROL["FRMR"] | 0x10, rejection.encode())
        events += self._down(connection, problem)

    def _send_unnumbered(self, address: Address, octets: bytes) -> None:
        connection = self._connections.get(address)
        if connection is not None:
            destination, source = connection.peer, connection.own
            size = connection.station.parameters.max_info_tx
        else:
            server, client = self._octets_of(address)
            destination, source = (client, server) if self.server else (server, client)
            size = self.parameters.max_info_tx
        for start in range(0, len(octets), size):
            more = start + size < len(octets)
            self._out.append(build(destination, source, CONTROL["UI"], octets[start : start + size], more))

    def _send_command(self, connection: Connection, kind: str, now: float) -> None:
        info = self.parameters.encode() if kind == "SNRM" and self.parameters != negotiation.DEFAULT else b""
        self._emit(connection, CONTROL[kind] | 0x10, info)
        connection.due = now + self.timeouts.response

    def _emit(self, connection: Connection, control: int, info: bytes = b"", segmented: bool = False) -> None:
        self._out.append(build(connection.peer, connection.own, control, info, segmented))

    def _emit_turn(self, connection: Connection, burst: list[tuple[int, Segment]]) -> None:
        """Send I frames and hand the turn over: on the last of them, or with RR or RNR."""
        station = connection.station
        receive_state = station.receive_state << 5
        last = -1 if station.refusing else len(burst) - 1
        for index, (number, segment) in enumerate(burst):
            final = 0x10 if index == last else 0
            self._emit(connection, number << 1 | final | receive_state, segment.info, segment.more)
        if last < 0:
            self._emit(connection, CONTROL["RNR" if station.refusing else "RR"] | receive_state | 0x10)

    def _move(self, connection: Connection, event: Event) -> None:
        following = self._table.get((connection.state, event))
        if following is None:
            raise LocalProtocolError(f"{event.value} while {connection.state.value}")
        connection.state = following

    def _down(self, connection: Connection, reason: str, *, forget: bool = True) -> list[LinkEvent]:
        connection.state = State.NDM
        connection.due = None
        connection.expects = 0
        connection.checking = False
        connection.station = Station(holds=not self.server)
        if forget and self.server:
            del self._connections[connection.address]
        return [LinkDown(connection.address, reason)]

    # --- time ----------------------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next."""
        times = [connection.due for connection in self._connections.values() if connection.due is not None]
        if self._octets_at is not None:
            times.append(self._octets_at + self.timeouts.inter_octet)
        return min(times, default=None)

    def handle_timer(self, now: float) -> list[LinkEvent]:
        """Ask for what was not answered, ask a meter that is still thinking, give up, drop half a frame."""
        events = self._give_up_frame(now)
        for connection in list(self._connections.values()):
            if connection.due is not None and now >= connection.due:
                events += self._timed_out(connection, now)
        return events

    def _timed_out(self, connection: Connection, now: float) -> list[LinkEvent]:
        connection.due = None
        if self.server:
            self._move(connection, Event.INACTIVE)
            return self._down(connection, "nothing heard from the client")
        if connection.state is State.NRM and connection.station.holds:
            # The meter handed the turn back without an answer, or was busy: ask again.
            self._ask(connection, now)
            return []
        if connection.damaged and connection.state is State.NRM and connection.spared < MAX_SPARED:
            # The meter is there, but the line is bad.
            connection.spared += 1
            connection.tries -= 1
        connection.damaged = False
        if connection.tries >= self.timeouts.retries:
            silent = connection.state
            self._move(connection, Event.GIVE_UP)
            what = {State.CONNECTING: "SNRM", State.DISCONNECTING: "DISC"}.get(silent, "frames")
            return self._down(connection, f"no answer to {what} after {connection.tries + 1} tries")
        connection.tries += 1
        if connection.state is State.CONNECTING:
            self._send_command(connection, "SNRM", now)
        elif connection.state is State.DISCONNECTING:
            self._send_command(connection, "DISC", now)
        else:
            # How far the peer has come decides what is sent again.
            connection.checking = True
            self._ask(connection, now)
        return []


def _frmr_text(info: bytes) -> str:
    try:
        return f"the meter rejected a frame (FRMR), {reject.parse(info).words}"
    except DecodeError:
        return "the meter rejected a frame (FRMR) without saying why"

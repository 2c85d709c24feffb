"""The HDLC link of either side as one machine: many connections of a server, one or more of a client.

Implements `cosem.link.base.Link`. The LLC header E6 E6 00 or E6 E7 00 is added to what is sent and taken off what
comes; meters that leave it out are understood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cosem.errors import ConfigError, DecodeError, LocalProtocolError
from cosem.link.base import Address, ApduReceived, Discarded, LinkDown, LinkEvent, LinkUp
from cosem.link.hdlc import parameters as negotiation
from cosem.link.hdlc.frame import CONTROL, Frame, HdlcAddress, build
from cosem.link.hdlc.parameters import MAX_INFO, HdlcParameters
from cosem.link.hdlc.splitter import FrameSplitter
from cosem.link.hdlc.state import CLIENT, SERVER, Event, State
from cosem.link.hdlc.station import MAX_APDU, Segment, Station

LLC_COMMAND = b"\xe6\xe6\x00"
LLC_RESPONSE = b"\xe6\xe7\x00"
_LLC = (LLC_COMMAND, LLC_RESPONSE)
MAX_CONNECTIONS = 64
"""Connections of one server line; a meter has a handful of clients."""


@dataclass(frozen=True, slots=True)
class HdlcTimeouts:
    """Seconds, and how often. Meters answer within a second on a serial line; the standard leaves both open."""

    response: float = 3.0
    retries: int = 3
    poll: float = 0.2
    inactivity: float = 120.0
    inter_octet: float = 2.0


@dataclass(slots=True)
class _Connection:
    """One pair of addresses. `peer` and `own` are the address octets as on the line; `expects` counts the answers
    that are still to come (client side)."""

    address: Address
    peer: bytes
    own: bytes
    station: Station
    state: State = State.NDM
    tries: int = 0
    due: float | None = None
    expects: int = 0


class HdlcLink:
    """HDLC of one side. `accepts` (server) says which addresses exist; the others get no answer.

    Raises `ConfigError` for parameters no frame can keep.
    """

    def __init__(
        self,
        *,
        server: bool = False,
        parameters: HdlcParameters = negotiation.DEFAULT,
        timeouts: HdlcTimeouts | None = None,
        server_address_size: int | None = None,
        accepts: Callable[[Address], bool] | None = None,
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
        self._splitter = FrameSplitter()
        self._connections: dict[Address, _Connection] = {}
        self._routes: dict[tuple[bytes, bytes], _Connection] = {}
        self._out: list[bytes] = []
        self._ui_parts: dict[tuple[bytes, bytes], tuple[bytes, float]] = {}
        self._octets_at: float | None = None
        self._table = SERVER if server else CLIENT
        self._llc = LLC_RESPONSE if server else LLC_COMMAND

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
        connection = self._connections.get(address)
        if connection is None or connection.state is not State.NRM:
            raise LocalProtocolError(f"the HDLC connection {address} is not open")
        connection.station.offer(self._llc + apdu)
        if not self.server:
            connection.expects += 1
        self._give_way(connection, now)

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
        self._splitter = FrameSplitter()
        self._octets_at = None
        self._out.clear()
        self._ui_parts.clear()
        events: list[LinkEvent] = []
        for connection in list(self._connections.values()):
            if connection.state is not State.NDM:
                self._move(connection, Event.LOST)
                events += self._down(connection, "the transport was lost")
        return events

    # --- octets --------------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take octets from the line."""
        events: list[LinkEvent] = []
        for item in self._splitter.feed(octets):
            if isinstance(item, Discarded):
                events.append(item)
            else:
                self._receive_frame(item[0], item[1], now, events)
        self._octets_at = now if self._splitter.waiting > 1 else None
        if self._octets_at is not None and not self.server:
            # A long frame on a slow line is no silence.
            for connection in self._connections.values():
                if connection.due is not None:
                    connection.due = max(connection.due, now + self.timeouts.inter_octet)
        return events

    def _receive_frame(self, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]) -> None:
        if frame.kind == "UI":
            self._receive_unnumbered(frame, octets, now, events)
            return
        if self.server:
            connection = self._server_connection(frame)
        else:
            connection = self._routes.get((frame.source.octets, frame.destination.octets))
        if connection is None:
            events.append(Discarded(octets, "for or from another address"))
            return
        handler = self._server_frame if self.server else self._client_frame
        handler(connection, frame, octets, now, events)

    def _receive_unnumbered(self, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]) -> None:
        address = self._address(frame)
        if self.server and not frame.destination.broadcast and self.accepts is not None and not self.accepts(address):
            events.append(Discarded(octets, "for another address"))
            return
        key = (frame.source.octets, frame.destination.octets)
        before, since = self._ui_parts.pop(key, (b"", now))
        if now - since > self.timeouts.response:
            # The rest of those never came; what comes now is the beginning of something else.
            events.append(Discarded(before, "segments of a UI frame without an end"))
            before = b""
        whole = before + frame.info
        if len(whole) > MAX_APDU:
            events.append(Discarded(octets, f"segmented UI frames of more than {MAX_APDU} octets"))
        elif frame.segmented:
            if len(self._ui_parts) >= MAX_CONNECTIONS:
                self._ui_parts.clear()
            self._ui_parts[key] = whole, now
        else:
            apdu = _strip(whole)
            if apdu:
                events.append(ApduReceived(address, apdu, confirmed=False))

    def _address(self, frame: Frame) -> Address:
        client, server = (frame.source, frame.destination) if self.server else (frame.destination, frame.source)
        return Address(client.upper, server.upper, server.lower)

    # --- the server's side ---------------------------------------------------------------------------------

    def _server_connection(self, frame: Frame) -> _Connection | None:
        """Return the connection of a pair of addresses, a new one if need be, or None where it does not exist.

        The same pair in an address field of another size is the same pair; it is answered in the size it used last.
        """
        if frame.destination.broadcast:
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
        connection = _Connection(address, frame.source.octets, frame.destination.octets, Station(holds=False))
        self._connections[address] = connection
        return connection

    def _server_frame(
        self, connection: _Connection, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]
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
        elif kind in ("I", "RR", "RNR"):
            connection.due = now + self.timeouts.inactivity
            self._data(connection, frame, octets, now, events)
        else:
            events.append(Discarded(octets, f"{kind} is not for a server"))

    def _server_snrm(self, connection: _Connection, frame: Frame, now: float, events: list[LinkEvent]) -> None:
        try:
            asked = negotiation.parse(frame.info)
        except DecodeError:
            # What cannot be read is answered with our own limits and held to the defaults.
            asked = negotiation.DEFAULT
        if connection.state is State.NRM:
            events += self._down(connection, "the client connects again", forget=False)
        agreed = self.parameters.agreed(asked)
        self._move(connection, Event.SNRM)
        connection.station = Station(agreed, holds=False)
        connection.due = now + self.timeouts.inactivity
        self._emit(connection, CONTROL["UA"] | 0x10, agreed.encode())
        events.append(LinkUp(connection.address))

    def _respond(self, connection: _Connection) -> None:
        """Use the turn: send what is queued, or RR."""
        station = connection.station
        station.holds = False
        burst = station.burst()
        if not burst:
            self._emit(connection, CONTROL["RR"] | station.receive_state << 5 | 0x10)
        self._emit_burst(connection, burst)

    # --- the client's side ---------------------------------------------------------------------------------

    def _client_connection(self, address: Address) -> _Connection:
        connection = self._connections.get(address)
        if connection is None:
            peer, own = self._octets_of(address)
            if (peer, own) in self._routes:
                raise LocalProtocolError(f"{address} looks on the line like {self._routes[peer, own].address}")
            connection = _Connection(address, peer, own, Station(holds=True))
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
        self, connection: _Connection, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]
    ) -> None:
        kind, state = frame.kind, connection.state
        if kind == "UA" and state is State.CONNECTING:
            try:
                theirs = negotiation.parse(frame.info)
            except DecodeError:
                theirs = negotiation.DEFAULT
            self._move(connection, Event.UA)
            connection.station = Station(self.parameters.agreed(theirs), holds=True)
            connection.due, connection.tries, connection.expects = None, 0, 0
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
            events += self._down(connection, "the meter rejected a frame (FRMR)")
        elif kind in ("I", "RR", "RNR") and state is State.NRM:
            self._data(connection, frame, octets, now, events)
        else:
            events.append(Discarded(octets, f"{kind} while {state.value}"))

    def _give_way(self, connection: _Connection, now: float) -> None:
        """If it is the client's turn, send what there is to send, ask for more, or keep the turn."""
        station = connection.station
        if self.server or not station.holds:
            return
        burst = station.burst()
        if burst:
            station.holds = False
            self._emit_burst(connection, burst)
            connection.due = now + self.timeouts.response
        elif station.more_expected and not station.peer_busy:
            self._poll(connection, now)

    def _poll(self, connection: _Connection, now: float) -> None:
        station = connection.station
        station.holds = False
        self._emit(connection, CONTROL["RR"] | station.receive_state << 5 | 0x10)
        connection.due = now + self.timeouts.response

    # --- both ----------------------------------------------------------------------------------------------

    def _data(self, connection: _Connection, frame: Frame, octets: bytes, now: float, events: list[LinkEvent]) -> None:
        station = connection.station
        held = station.holds
        outcome = station.accept(frame)
        if outcome.problem is not None:
            events.append(Discarded(octets, outcome.problem))
        if outcome.fatal:
            self._reject(connection, frame, outcome.problem or "", events)
            return
        if outcome.problem is None or outcome.stale:
            # Whatever it says, the peer is there.
            connection.tries = 0
        if outcome.apdu is not None:
            apdu = _strip(outcome.apdu)
            if apdu:
                connection.expects = max(connection.expects - 1, 0)
                events.append(ApduReceived(connection.address, apdu))
        if self.server:
            # An incomplete APDU needs no answer from above: `take` hands the turn back.
            return
        if not station.holds:
            # More frames of the same turn follow.
            connection.due = now + self.timeouts.response
            return
        if outcome.stale and not held:
            # The answer to our last frames is still under way. Sending them again now would be answered twice, and
            # each of those answers again: one doubled frame would double the traffic for good.
            station.holds = False
            if len(station.unacknowledged) > 1:
                # Or the first of several was lost, and the peer waits for it.
                connection.due = now + self.timeouts.poll
            return
        connection.due = None
        self._give_way(connection, now)
        if station.holds and (connection.expects or station.peer_busy):
            connection.due = now + self.timeouts.poll

    def _reject(self, connection: _Connection, frame: Frame, problem: str, events: list[LinkEvent]) -> None:
        if self.server:
            station = connection.station
            rejected = bytes((frame.control, station.send_state << 1 | station.receive_state << 5, 0x08))
            self._emit(connection, CONTROL["FRMR"] | 0x10, rejected)
            connection.state = State.NDM
        else:
            self._move(connection, Event.FRMR)
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

    def _send_command(self, connection: _Connection, kind: str, now: float) -> None:
        info = self.parameters.encode() if kind == "SNRM" and self.parameters != negotiation.DEFAULT else b""
        self._emit(connection, CONTROL[kind] | 0x10, info)
        connection.due = now + self.timeouts.response

    def _emit(self, connection: _Connection, control: int, info: bytes = b"", segmented: bool = False) -> None:
        self._out.append(build(connection.peer, connection.own, control, info, segmented))

    def _emit_burst(self, connection: _Connection, burst: list[tuple[int, Segment]]) -> None:
        receive_state = connection.station.receive_state << 5
        for index, (number, segment) in enumerate(burst):
            final = 0x10 if index == len(burst) - 1 else 0
            self._emit(connection, number << 1 | final | receive_state, segment.info, segment.more)

    def _move(self, connection: _Connection, event: Event) -> None:
        following = self._table.get((connection.state, event))
        if following is None:
            raise LocalProtocolError(f"{event.value} while {connection.state.value}")
        connection.state = following

    def _down(self, connection: _Connection, reason: str, *, forget: bool = True) -> list[LinkEvent]:
        connection.state = State.NDM
        connection.due = None
        connection.expects = 0
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
        """Repeat what was not answered, ask a meter that is still thinking, give up, drop half a frame."""
        events: list[LinkEvent] = []
        if self._octets_at is not None and now >= self._octets_at + self.timeouts.inter_octet:
            self._octets_at = None
            for item in self._splitter.flush():
                if isinstance(item, Discarded):
                    events.append(item)
                else:
                    self._receive_frame(item[0], item[1], now, events)
        for connection in list(self._connections.values()):
            if connection.due is not None and now >= connection.due:
                events += self._timed_out(connection, now)
        return events

    def _timed_out(self, connection: _Connection, now: float) -> list[LinkEvent]:
        connection.due = None
        if self.server:
            self._move(connection, Event.INACTIVE)
            return self._down(connection, "nothing heard from the client")
        if connection.state is State.NRM and connection.station.holds:
            # The meter handed the turn back without an answer, or was busy: ask again.
            self._poll(connection, now)
            return []
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
            connection.station.holds = True
            connection.station.peer_busy = False
            self._give_way(connection, now)
            if connection.station.holds:
                self._poll(connection, now)
        return []


def _strip(octets: bytes) -> bytes:
    """Take the LLC header off; meters that send none are understood."""
    return octets[3:] if octets[:3] in _LLC else octets

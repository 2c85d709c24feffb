"""Finding out how a silent or unknown meter wants to be spoken to: framing, addresses, referencing.

Polite: a bounded number of tries, one association of the public client at the most, no password and no proof ever.
On a serial port the speed is unknown too, and mode E may come before HDLC.
`probe` says what to try next and learns what came of it; `attempt` is the conversation that tries. Whoever drives both
makes a new machine for every try and pauses in between.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from cosem.apdu.base import AttributeDescriptor
from cosem.apdu.get import GetRequestNormal
from cosem.association.conversations import open_association, release
from cosem.association.initiator import Initiator
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Call, Dial, Hangup, Step
from cosem.codec import axdr
from cosem.conformance_block import LN_CORE, SN_ALL
from cosem.errors import AssociationRejected, ConnectionLost, CosemError, Timeout
from cosem.link.base import Link
from cosem.link.hdlc.frame import FLAG
from cosem.obis import Obis
from cosem.results import AcseServiceUser

if TYPE_CHECKING:
    from cosem.client.serial import SerialUrl

PUBLIC_CLIENT: Final = 16
MANAGEMENT: Final = 1
MAX_ATTEMPTS: Final = 14
"""Tries of one probe. Each costs the meter one connection, and the person who waits a few seconds."""
MAX_SERIAL_ATTEMPTS: Final = 28
"""Tries on a serial port, where most are heard by nobody: the speed is another."""
MAX_HEARD: Final = 256
"""Octets kept of what came: enough to recognise anything."""
MAX_SHOWN: Final = 16
WRAPPER, HDLC = "wrapper", "hdlc"
SCHEMES: Final = {WRAPPER: "tcp", HDLC: "hdlc+tcp"}

# How a try can end.
ASSOCIATED = "associated"
REFUSED = "refused"
"""An APDU came, but no association: framing and addresses are right."""
LINK_ONLY = "link only"
"""HDLC is connected, no APDU came."""
DISCONNECTED = "disconnected"
"""HDLC is spoken, but this address does not connect: DM, or frames from another address."""
OPENED = "opened"
"""Mode E opened the port, and HDLC stays silent at this address."""
FOREIGN = "foreign"
"""Octets came that are no frame of the kind that was tried."""
CLOSED = "closed"
SILENT = "silent"
UNREACHABLE = "unreachable"

_HDLC_ADDRESSES: Final = ((None, 1), (17, 2), (16, 2), (1, 2), (17, 4), (16, 4), (1, 4))
"""Lower address and octets of the address of the management logical device, as meters leave their makers: without a
lower address; 17, 16 or 1 (the first address that is not reserved in use as a default) in two octets, then in four."""
_USUAL_PLACES: Final = _HDLC_ADDRESSES[:2]
"""What is tried at each speed: all of them at all speeds would take minutes."""
SPEEDS: Final = (9600, 19200, 2400, 4800, 115200, 38400, 57600, 1200, 600, 300)
"""Bd of serial ports, the likeliest first: what meters leave their makers with, then what mode E knows."""
_FOREIGN: Final = (
    (b"HTTP/", "HTTP: a web server"),
    (b"SSH-", "SSH: a login shell"),
    (b"\x15\x03", "TLS: an encrypted port"),
    (b"\x16\x03", "TLS: an encrypted port"),
    (b"220 ", "a mail or file server"),
)
_HDLC_FRAMES, _WRAPPER = "HDLC frames", "the wrapper"
_SAP_LIST = AttributeDescriptor(17, Obis.parse("0-0:41.0.0"), 2)
_DEVICE_NAME = AttributeDescriptor(1, Obis.parse("0-0:42.0.0"), 2)


class Attempt(NamedTuple):
    """One try: the public client (unless `client` says otherwise) to one logical device in one framing.

    `physical` and `address_size` (octets: 1, 2 or 4) are of HDLC; `referencing` is ``"ln"`` or ``"sn"``. `port` is a
    serial port; `opened` is what a URL has to say of it where mode E has opened it before this try.
    """

    framing: str
    server: int = MANAGEMENT
    physical: int | None = None
    address_size: int | None = None
    referencing: str = "ln"
    client: int = PUBLIC_CLIENT
    port: SerialUrl | None = None
    opened: SerialUrl | None = None

    def __str__(self) -> str:
        where = f"client {self.client}, server {self.server}"
        if self.framing == HDLC:
            where += "" if self.physical is None else f", physical {self.physical}"
            where += f", {self.address_size or 'fewest'} octet{'' if self.address_size == 1 else 's'} of address"
        how = self.framing
        if self.port is not None:
            how = f"{'' if self.port.mode_e is None else 'mode E, then '}{how}, {self.port.line}"
        return f"{how}, {where}, {'logical' if self.referencing == 'ln' else 'short'} names"

    def settings(self, timeout: float) -> AssociationSettings:
        """Return the association of this try: no secret, no protection."""
        settings = AssociationSettings(
            client_sap=self.client,
            server_sap=self.server,
            physical=self.physical,
            referencing=self.referencing,
            conformance=LN_CORE if self.referencing == "ln" else SN_ALL,
            response_timeout=timeout,
            connect_timeout=timeout,
            release_timeout=timeout,
        )
        if self.port is not None:
            from cosem.client.serial import MAX_PDU_SIZE

            settings.max_pdu_size = MAX_PDU_SIZE
            self.port.give_time(settings, timeout + self.port.extra)
        return settings

    def link(self, timeout: float) -> Link:
        """Return the link of this try, which repeats nothing: a try is one question."""
        if self.port is not None:
            from cosem.link.line import Line

            return self.port.link(Line(self.port.line), size=self.address_size, tries=1, response=timeout)
        if self.framing == HDLC:
            from cosem.link.hdlc.link import HdlcLink, HdlcTimeouts

            timeouts = HdlcTimeouts(response=timeout, retries=0)
            return HdlcLink(timeouts=timeouts, server_address_size=self.address_size)
        from cosem.link.wrapper import WrapperLink

        return WrapperLink()

    def url(self, host: str, port: int) -> str:
        """Return the URL that reads a meter found here."""
        query: dict[str, Any] = {"client": self.client, "server": self.server}
        if self.physical is not None:
            query["physical"] = self.physical
        if self.address_size == 4:
            query["address_size"] = self.address_size
        if self.referencing != "ln":
            query["referencing"] = self.referencing
        if (serial := self.opened or self.port) is not None:
            return serial.url(query)
        shown = f"[{host}]" if ":" in host else host
        return f"{SCHEMES[self.framing]}://{shown}:{port}?{urlencode(query)}"

    def to_json(self) -> dict[str, Any]:
        """Return the try for a machine; a serial port as its scheme, path and speed."""
        answer = self._asdict()
        port, opened = answer.pop("port"), answer.pop("opened")
        if port is not None:
            answer |= {"scheme": (opened or port).scheme, "path": port.path, "baud": port.line.baud}
        return answer


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended: one of the words above, and the reason. `heard` is the beginning of what came.

    `context_refused`: the meter knows another referencing, or wants ciphering. `devices` are the logical devices behind
    it (SAP and name), `name` is that of the one that answered. `baud` is the speed that mode E agreed on, 0
    where there was no mode E, and `identification` who answered it.
    """

    kind: str
    reason: str = ""
    heard: bytes = b""
    context_refused: bool = False
    name: str = ""
    devices: tuple[tuple[int, str], ...] = ()
    max_pdu_size: int = 0
    baud: int = 0
    identification: str = ""

    @property
    def found(self) -> bool:
        """Whether a meter was there that understood the framing and the address."""
        return self.kind in (ASSOCIATED, REFUSED, LINK_ONLY)


class ProbeMachine(Initiator):
    """An initiator that keeps the beginning of all that came."""

    def __init__(self, attempt: Attempt, timeout: float) -> None:
        super().__init__(attempt.link(timeout), attempt.settings(timeout))
        self.attempt = attempt
        self.heard = b""

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets from the transport."""
        self.heard = (self.heard + octets[:MAX_HEARD])[:MAX_HEARD]
        super().receive(octets, now)

    @property
    def answered(self) -> bytes:
        """The beginning of what the other side sent, without echoes of ours."""
        return getattr(self.link, "heard", self.heard)


def attempt(machine: ProbeMachine, random: Callable[[int], bytes]) -> Generator[Step, Any, Outcome]:
    """Dial, associate as the attempt says, look around, release, hang up; every end is an outcome."""
    try:
        yield Dial()
    except (ConnectionLost, Timeout) as error:
        return Outcome(UNREACHABLE, str(error))
    try:
        yield from open_association(machine, random)
    except CosemError as error:
        outcome = _ended(machine, error)
    else:
        outcome = yield from _look_around(machine)
    if (opened := _opened(machine)) is not None:
        outcome = replace(outcome, identification=opened[0], baud=opened[1])
    if outcome.found:
        # Also where only the link layer is connected: whoever comes next finds it free.
        yield from release(machine)
    yield Hangup()
    return outcome


def _opened(machine: ProbeMachine) -> tuple[str, int] | None:
    """Return who answered the opening of mode E and the speed agreed on, or None."""
    from cosem.link.mode_e.link import ModeEClient

    link = getattr(machine.link, "inner", None)
    if not isinstance(link, ModeEClient) or link.identification is None or link.agreed is None:
        return None
    found = link.identification
    return f"{found.manufacturer} {found.text.strip()}".strip(), link.agreed


def _ended(machine: ProbeMachine, error: CosemError) -> Outcome:
    heard = machine.answered
    if isinstance(error, AssociationRejected):
        refused = error.diagnostic == AcseServiceUser.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
        return Outcome(REFUSED, str(error), heard, context_refused=refused and error.source == "user")
    if machine.heard_apdu:
        return Outcome(REFUSED, str(error), heard)
    hdlc = machine.attempt.framing == HDLC
    if hdlc and machine.heard_link:
        return Outcome(LINK_ONLY, "the link layer connects, no APDU comes back", heard)
    if hdlc and heard and recognise(heard) == _HDLC_FRAMES:
        return Outcome(DISCONNECTED, machine.problems[-1] if machine.problems else str(error), heard)
    if (opened := _opened(machine)) is not None:
        return Outcome(OPENED, f"{opened[0]} opens the port at {opened[1]} Bd, HDLC stays silent here", heard)
    if heard and machine.attempt.port is not None and machine.attempt.port.mode_e is not None:
        # Mode E says itself what came instead: another mode, noise, a data readout.
        return Outcome(FOREIGN, str(error), heard)
    if heard:
        return Outcome(FOREIGN, recognise(heard) or f"unknown octets: {heard[:MAX_SHOWN].hex(' ').upper()}", heard)
    if isinstance(error, ConnectionLost) and machine.attempt.port is None:
        return Outcome(CLOSED, "the other side closes the connection without an answer")
    return Outcome(SILENT, "no answer")


def _look_around(machine: ProbeMachine) -> Generator[Step, Any, Outcome]:
    """Read the names of the logical devices, as far as the public client may."""
    name = ""
    devices: tuple[tuple[int, str], ...] = ()
    if machine.settings.referencing == "ln":
        value = yield from _read(machine, _DEVICE_NAME)
        name = _text(value)
        devices = _devices((yield from _read(machine, _SAP_LIST)))
    return Outcome(
        ASSOCIATED, heard=machine.answered, name=name, devices=devices, max_pdu_size=machine.peer_max_pdu_size
    )


def _read(machine: ProbeMachine, target: AttributeDescriptor) -> Generator[Step, Any, Any]:
    try:
        response = yield Call(GetRequestNormal(target, None))
        return None if response.data is None else axdr.decode(response.data).value
    except CosemError:
        return None


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _devices(value: Any) -> tuple[tuple[int, str], ...]:
    """Return SAP and name of each entry of a SAP assignment list; what is no such entry is left out."""
    found = []
    for item in value if isinstance(value, tuple) else ():
        fields = item.value if isinstance(item.value, tuple) else ()
        if len(fields) == 2 and isinstance(fields[0].value, int):
            found.append((fields[0].value, _text(fields[1].value)))
    return tuple(found)


def recognise(octets: bytes) -> str | None:
    """Say what kind of peer begins with `octets`, None where that is not known."""
    for head, words in _FOREIGN:
        if octets.startswith(head):
            return words
    if octets[0] == FLAG and len(octets) > 1 and octets[1] & 0xF0 == 0xA0:
        return _HDLC_FRAMES
    if octets.startswith(b"\x00\x01") and len(octets) >= 8:
        return _WRAPPER
    if octets[0] == 0x68 and octets[3:4] == b"\x68":
        return "wired M-Bus"
    if octets.startswith(b"/") and b"\r" in octets:
        return "an identification of IEC 62056-21: an optical or serial meter behind a converter (optical://)"
    return None


@dataclass(slots=True)
class Report:
    """What a probe found. `found` is the try that a meter answered, None where none did."""

    found: Attempt | None = None
    outcome: Outcome = field(default_factory=lambda: Outcome(SILENT))
    tried: list[tuple[Attempt, Outcome]] = field(default_factory=list)

    def url(self, host: str, port: int) -> str | None:
        """Return the URL to use next, None where nothing was found."""
        return None if self.found is None else self.found.url(host, port)

    def words(self) -> list[str]:
        """Say in words what was found and what to do next."""
        outcome, found = self.outcome, self.found
        if outcome.kind == UNREACHABLE:
            if len(self.tried) > 1:
                return [f"The connection was there before and is refused now ({outcome.reason}): try again in a while."]
            return [outcome.reason if outcome.reason.endswith("?") else f"{outcome.reason}."]
        if found is None:
            return self._nothing()
        lines = [f"A meter answers: {found}."]
        if outcome.kind == ASSOCIATED:
            lines.append(f"It lets the public client in{f' and calls itself {outcome.name}' if outcome.name else ''}.")
            lines += [f"Logical device {sap}: {name or 'without a name'}." for sap, name in outcome.devices]
        elif outcome.kind == LINK_ONLY:
            lines.append(
                "Only its link layer answers: the public client may not exist here, or it wants another client address "
                "and security; ask for client=, auth= and keys."
            )
        else:
            lines.append(f"It does not let the public client in: {outcome.reason}.")
            lines.append("Use client=, auth= and keys that it knows.")
        if outcome.identification:
            lines.insert(1, f"It opens as {outcome.identification} and goes on at {outcome.baud} Bd.")
        elif found.opened is not None:
            lines.insert(1, f"Mode E opened the port; HDLC goes on at {found.port.line.baud if found.port else 0} Bd.")
        elif found.port is not None and self.tried[0][0].port != found.port and found.port.mode_e is None:
            lines.append(
                "If a session of mode E was cut off a moment ago, wait some minutes and use optical:// instead."
            )
        if found.referencing == "sn":
            lines.append("It uses short names (referencing=sn).")
        return lines

    def _nothing(self) -> list[str]:
        kinds = {outcome.kind for _, outcome in self.tried}
        serial = self.tried[0][0].port is not None if self.tried else False
        if OPENED in kinds:
            return [
                "Mode E opens the port, but no HDLC address that was tried answers: the physical address is another "
                "(often made of the last digits of the serial number): physical=N; or the head cannot follow the "
                "change of speed: max_baud=300."
            ]
        if serial and self.outcome.kind == FOREIGN:
            return [f"Something comes that is no meter of HDLC or mode E: {self.outcome.reason}."]
        if self.outcome.kind == FOREIGN:
            return [f"Something else answers: {self.outcome.reason}. Is this the right port?"]
        if DISCONNECTED in kinds:
            return [
                "HDLC is spoken here, but no address that was tried connects: another client may hold the line, or the "
                "physical address is another (often made of the last digits of the serial number): physical=N."
            ]
        if kinds == {CLOSED}:
            return [
                "The port opens but every connection is closed without an answer: it may be busy with another client, "
                "or take only addresses it knows."
            ]
        if serial:
            return [
                f"The port opens but nothing answers in {len(self.tried)} tries, by HDLC at several speeds and by mode "
                "E: is the head on the meter and the right way round, are the two wires of an RS-485 line swapped, has "
                "the meter another physical address (physical=N), is the parity another?"
            ]
        return [
            f"The port opens but nothing answers in {len(self.tried)} tries, by wrapper and by HDLC: the meter may be "
            "without power behind its modem, have another physical address (physical=N), or another speed is set."
        ]

    def to_json(self, host: str, port: int) -> dict[str, Any]:
        """Return the report for a machine."""
        outcome, found = self.outcome, self.found
        return {
            "found": None if found is None else found.to_json(),
            "url": self.url(host, port),
            "outcome": outcome.kind,
            "reason": outcome.reason,
            "name": outcome.name,
            "devices": [{"sap": sap, "name": name} for sap, name in outcome.devices],
            "words": self.words(),
            "tried": [{**tried.to_json(), "outcome": end.kind, "reason": end.reason} for tried, end in self.tried],
        }


def plan(framing: str, server: int = MANAGEMENT, physical: int | None = None, size: int | None = None) -> list[Attempt]:
    """Return what may be tried, the likeliest first: as the URL says, the other framing, unusual addresses."""
    servers = dict.fromkeys((server, MANAGEMENT))
    wrapper = [Attempt(WRAPPER, sap) for sap in servers]
    own = server != MANAGEMENT or physical is not None or size is not None
    hdlc = [Attempt(HDLC, server, physical, size)] if own and server < 0x4000 else []
    hdlc += [Attempt(HDLC, MANAGEMENT, *place) for place in _HDLC_ADDRESSES]
    if framing == HDLC:
        return list(dict.fromkeys((*hdlc[:2], *wrapper, *hdlc[2:])))
    return list(dict.fromkeys((*wrapper, *hdlc)))


_Place = tuple[int, int | None, int | None]
"""Server, physical address and octets of both."""


def serial_plan(
    port: SerialUrl, server: int = MANAGEMENT, physical: int | None = None, size: int | None = None
) -> list[Attempt]:
    """Return what may be tried on a serial port: as the URL says, then HDLC at once or mode E, then other speeds."""
    from cosem.client.serial import HDLC_LINE, SerialUrl
    from cosem.link.mode_e.settings import ModeESettings

    own = server != MANAGEMENT or physical is not None or size is not None
    said = [(server, physical, size)] if own else []
    places: list[_Place] = [*said, *((MANAGEMENT, *place) for place in _HDLC_ADDRESSES)]
    usual: list[_Place] = [*said, *((MANAGEMENT, *place) for place in _USUAL_PLACES)]
    line = port.line if port.mode_e is None else HDLC_LINE
    plain = SerialUrl(port.path, port.echo, line)
    usual_opening = ModeESettings()
    mode_e = port if port.mode_e is not None else SerialUrl(port.path, port.echo, usual_opening.initial, usual_opening)
    first = [_at(usual[0], mode_e)]
    at_once = [_at(place, plain) for place in places]
    others = [
        _at(place, replace(plain, line=line._replace(baud=baud)))
        for baud in SPEEDS
        if baud != line.baud
        for place in usual
    ]
    order = (*first, *at_once) if port.mode_e is not None else (*at_once, *first)
    return list(dict.fromkeys((*order, *others)))


def _at(place: _Place, port: SerialUrl, opened: SerialUrl | None = None) -> Attempt:
    server, physical, size = place
    return Attempt(HDLC, server, physical, size, port=port, opened=opened)


def _following(trying: Attempt, outcome: Outcome) -> list[Attempt] | None:
    """Return what is left to try on a serial port whose speed is known now, None where it is not."""
    from cosem.client.serial import SerialUrl
    from cosem.link.line import LineSettings

    port = trying.port
    if port is None or outcome.kind not in (OPENED, DISCONNECTED):
        return None
    opened = trying.opened
    if port.mode_e is not None:
        # The meter waits for HDLC now, and would not hear another opening for minutes.
        port, opened = SerialUrl(port.path, port.echo, LineSettings(outcome.baud)), port
    return [_at((MANAGEMENT, *place), port, opened) for place in _HDLC_ADDRESSES if (MANAGEMENT, *place) != trying[1:4]]


def probe(candidates: list[Attempt]) -> Generator[Attempt, Outcome, Report]:
    """Yield what to try and take what came of it, until a meter is found, something else is, or nothing is left."""
    report = Report()
    waiting = list(candidates)
    known_speed = False
    most = MAX_SERIAL_ATTEMPTS if any(item.port is not None for item in waiting) else MAX_ATTEMPTS
    while waiting and len(report.tried) < most:
        trying = waiting.pop(0)
        outcome = yield trying
        report.tried.append((trying, outcome))
        if outcome.kind == UNREACHABLE:
            report.outcome = outcome
            break
        if outcome.found:
            report.found, report.outcome = trying, outcome
            unheard = outcome.kind == LINK_ONLY or (outcome.kind == REFUSED and outcome.context_refused)
            if unheard and trying.referencing == "ln":
                # A meter with short names refuses logical ones, or passes over them in silence.
                second = yield trying._replace(referencing="sn")
                report.tried.append((trying._replace(referencing="sn"), second))
                if second.kind == ASSOCIATED or (second.kind == REFUSED and not second.context_refused):
                    report.found, report.outcome = report.tried[-1]
            break
        if not known_speed and (left := _following(trying, outcome)) is not None:
            waiting, known_speed = left, True
        if outcome.kind == FOREIGN and trying.port is not None:
            # Mode E that is another mode ends it; anything else may be the right meter at a wrong speed.
            report.outcome = outcome
            if trying.port.mode_e is not None and recognise(outcome.heard) is not None:
                break
        elif outcome.kind == FOREIGN:
            report.outcome = outcome
            known = recognise(outcome.heard)
            other = {_HDLC_FRAMES: HDLC, _WRAPPER: WRAPPER}.get(known or "")
            if known is not None and other in (None, trying.framing):
                break
            if other is not None:
                waiting = [item for item in waiting if item.framing == other]
    return report

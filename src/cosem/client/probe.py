"""Finding out how a silent or unknown meter wants to be spoken to: framing, addresses, referencing.

Polite: a bounded number of tries, one association of the public client at the most, no password and no proof ever.
`probe` says what to try next and learns what came of it; `attempt` is the conversation that tries. Whoever drives both
makes a new machine for every try and pauses in between.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
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

PUBLIC_CLIENT: Final = 16
MANAGEMENT: Final = 1
MAX_ATTEMPTS: Final = 14
"""Tries of one probe. Each costs the meter one connection, and the person who waits a few seconds."""
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
FOREIGN = "foreign"
"""Octets came that are no frame of the kind that was tried."""
CLOSED = "closed"
SILENT = "silent"
UNREACHABLE = "unreachable"

_HDLC_ADDRESSES: Final = ((None, 1), (17, 2), (16, 2), (1, 2), (17, 4), (16, 4), (1, 4))
"""Lower address and octets of the address of the management logical device, as meters leave their makers: without a
lower address; 17, 16 or 1 (the first address that is not reserved in use as a default) in two octets, then in four."""
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

    `physical` and `address_size` (octets: 1, 2 or 4) are of HDLC; `referencing` is ``"ln"`` or ``"sn"``.
    """

    framing: str
    server: int = MANAGEMENT
    physical: int | None = None
    address_size: int | None = None
    referencing: str = "ln"
    client: int = PUBLIC_CLIENT

    def __str__(self) -> str:
        where = f"client {self.client}, server {self.server}"
        if self.framing == HDLC:
            where += "" if self.physical is None else f", physical {self.physical}"
            where += f", {self.address_size or 'fewest'} octet{'' if self.address_size == 1 else 's'} of address"
        return f"{self.framing}, {where}, {'logical' if self.referencing == 'ln' else 'short'} names"

    def settings(self, timeout: float) -> AssociationSettings:
        """Return the association of this try: no secret, no protection."""
        return AssociationSettings(
            client_sap=self.client,
            server_sap=self.server,
            physical=self.physical,
            referencing=self.referencing,
            conformance=LN_CORE if self.referencing == "ln" else SN_ALL,
            response_timeout=timeout,
            connect_timeout=timeout,
            release_timeout=timeout,
        )

    def link(self, timeout: float) -> Link:
        """Return the link of this try, which repeats nothing: a try is one question."""
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
        shown = f"[{host}]" if ":" in host else host
        return f"{SCHEMES[self.framing]}://{shown}:{port}?{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended: one of the words above, and the reason. `heard` is the beginning of what came.

    `context_refused`: the meter knows another referencing, or wants ciphering. `devices` are the logical devices behind
    it (SAP and name), `name` is that of the one that answered.
    """

    kind: str
    reason: str = ""
    heard: bytes = b""
    context_refused: bool = False
    name: str = ""
    devices: tuple[tuple[int, str], ...] = ()
    max_pdu_size: int = 0

    @property
    def found(self) -> bool:
        """Whether a meter was there that understood the framing and the address."""
        return self.kind in (ASSOCIATED, REFUSED, LINK_ONLY)


class ProbeMachine(Initiator):
    """An initiator that keeps the beginning of all that came."""

    def __init__(self, attempt: Attempt, timeout: float) -> None:
        super().__init__(attempt.link(timeout), attempt.settings(timeout))
        self.heard = b""

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets from the transport."""
        self.heard = (self.heard + octets[:MAX_HEARD])[:MAX_HEARD]
        super().receive(octets, now)


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
    if outcome.found:
        # Also where only the link layer is connected: whoever comes next finds it free.
        yield from release(machine)
    yield Hangup()
    return outcome


def _ended(machine: ProbeMachine, error: CosemError) -> Outcome:
    heard = machine.heard
    if isinstance(error, AssociationRejected):
        refused = error.diagnostic == AcseServiceUser.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
        return Outcome(REFUSED, str(error), heard, context_refused=refused and error.source == "user")
    if machine.heard_apdu:
        return Outcome(REFUSED, str(error), heard)
    hdlc = type(machine.link).__name__ == "HdlcLink"
    if hdlc and machine.heard_link:
        return Outcome(LINK_ONLY, "the link layer connects, no APDU comes back", heard)
    if hdlc and heard and recognise(heard) == _HDLC_FRAMES:
        return Outcome(DISCONNECTED, machine.problems[-1] if machine.problems else str(error), heard)
    if heard:
        return Outcome(FOREIGN, recognise(heard) or f"unknown octets: {heard[:MAX_SHOWN].hex(' ').upper()}", heard)
    if isinstance(error, ConnectionLost):
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
    return Outcome(ASSOCIATED, heard=machine.heard, name=name, devices=devices, max_pdu_size=machine.peer_max_pdu_size)


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
            return [outcome.reason + "."]
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
        if found.referencing == "sn":
            lines.append("It uses short names (referencing=sn).")
        return lines

    def _nothing(self) -> list[str]:
        kinds = {outcome.kind for _, outcome in self.tried}
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
        return [
            f"The port opens but nothing answers in {len(self.tried)} tries, by wrapper and by HDLC: the meter may be "
            "without power behind its modem, have another physical address (physical=N), or another speed is set."
        ]

    def to_json(self, host: str, port: int) -> dict[str, Any]:
        """Return the report for a machine."""
        outcome, found = self.outcome, self.found
        return {
            "found": None if found is None else found._asdict(),
            "url": self.url(host, port),
            "outcome": outcome.kind,
            "reason": outcome.reason,
            "name": outcome.name,
            "devices": [{"sap": sap, "name": name} for sap, name in outcome.devices],
            "words": self.words(),
            "tried": [{**tried._asdict(), "outcome": end.kind, "reason": end.reason} for tried, end in self.tried],
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


def probe(candidates: list[Attempt]) -> Generator[Attempt, Outcome, Report]:
    """Yield what to try and take what came of it, until a meter is found, something else is, or nothing is left."""
    report = Report()
    waiting = list(candidates)
    while waiting and len(report.tried) < MAX_ATTEMPTS:
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
        if outcome.kind == FOREIGN:
            report.outcome = outcome
            known = recognise(outcome.heard)
            other = {_HDLC_FRAMES: HDLC, _WRAPPER: WRAPPER}.get(known or "")
            if known is not None and other in (None, trying.framing):
                break
            if other is not None:
                waiting = [item for item in waiting if item.framing == other]
    return report

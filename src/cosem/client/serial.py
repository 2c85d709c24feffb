"""The part of a meter URL that is about a serial port, and the link that it means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from cosem.errors import ConfigError
from cosem.link.echo import ECHO_MODES
from cosem.link.line import PARITIES, LineSettings
from cosem.link.mode_e.settings import ModeESettings
from cosem.tolerances import TOLERANT, Tolerances

if TYPE_CHECKING:
    from cosem.association.settings import AssociationSettings
    from cosem.link.base import Link
    from cosem.link.hdlc.parameters import HdlcParameters
    from cosem.link.line import Line

MAX_PDU_SIZE = 1024
"""The largest APDU asked for on a serial port: at 9600 Bd about a second, and what of an answer is lost at most."""
OVERHEAD = 1.5
"""Octets on the line for each octet of an APDU: frames of 128 and an RR for each."""
FRAME = 140
"""Octets of a frame with an information field of 128."""
ANSWER = 3.0
"""Seconds a meter takes to answer a frame at the most, beside the time on the line."""
TRIES = 4
"""A frame and its three repetitions."""
SLOWEST = 300
"""Bd of a meter of mode E that does not change its speed."""
HDLC_LINE = LineSettings()
MBUS_LINE = LineSettings(2400, parity="E")
"""Of the wired M-Bus (EN 13757-2)."""
_WINDOWS_PORT = re.compile(r"/(COM\d+)", re.IGNORECASE)
_YES = {"yes": True, "no": False}
NO_MEETING = (
    "Nobody speaks HDLC on this port: is the speed right (baud=), are the wires of the port (A and B, receive and "
    "send) the right way round, does the meter begin with mode E (optical://)?"
)


@dataclass(frozen=True, slots=True)
class SerialUrl:
    """A serial port: its path, how echoes are treated, and its line, or the settings of mode E on it."""

    path: str
    echo: str = "auto"
    line: LineSettings = HDLC_LINE
    mode_e: ModeESettings | None = None

    @classmethod
    def parse(cls, scheme: str, place: str, path: str, query: dict[str, str]) -> SerialUrl:
        """Take what belongs to a serial port out of a query. Raises `ConfigError`."""
        if place or not path.strip("/"):
            raise ConfigError(f"{scheme}:// is followed by the path of a port: {scheme}:///dev/ttyUSB0")
        windows = _WINDOWS_PORT.fullmatch(path)
        path = windows.group(1) if windows else path
        echo = _word(query, "echo", "auto", ECHO_MODES)
        if scheme != "optical":
            usual = MBUS_LINE if scheme == "mbus+serial" else HDLC_LINE
            names = {letter: name for name, letter in PARITIES.items()}
            line = LineSettings(
                _count(query, "baud", usual.baud),
                _count(query, "databits", 8),
                PARITIES[_word(query, "parity", names[usual.parity], tuple(PARITIES))],
                _count(query, "stopbits", 1),
            ).checked()
            if line.databits != 8:
                raise ConfigError(f"{'M-Bus' if usual is MBUS_LINE else 'HDLC'} needs 8 data bits")
            return cls(path, echo, line)
        settings = ModeESettings(
            baud=_count(query, "baud", 300),
            address=query.pop("address", ""),
            max_baud=_count(query, "max_baud", 0) or None,
            software_parity=_word(query, "parity", "even", ("even", "software")) == "software",
            wake_up=_YES[_word(query, "wakeup", "no", tuple(_YES))],
            insist=_YES[_word(query, "insist", "no", tuple(_YES))],
        )
        return cls(path, echo, settings.initial, settings)

    def link(
        self,
        line: Line,
        tolerances: Tolerances = TOLERANT,
        parameters: HdlcParameters | None = None,
        *,
        size: int | None = None,
        tries: int = TRIES,
        response: float = ANSWER,
    ) -> Link:
        """Return a new link for this port.

        `parameters` are what HDLC asks for, `size` is how many octets the server address takes, `tries` how often a
        frame is sent, `response` the seconds a meter may take for its answer beside the time on the line.
        """
        from cosem.link.serial import SerialLink

        make = partial(_hdlc, tolerances=tolerances, parameters=parameters, size=size, tries=tries, response=response)
        if self.mode_e is None:
            return SerialLink(make(line.settings), line, echo=self.echo)
        from cosem.link.mode_e.link import ModeEClient

        return SerialLink(ModeEClient(make, self.mode_e, line), line, echo=self.echo)

    @property
    def extra(self) -> float:
        """Seconds that a question and its answer take on this line."""
        return 2 * (self.line if self.mode_e is None else LineSettings(SLOWEST)).seconds(FRAME)

    @property
    def scheme(self) -> str:
        """The scheme of the URL."""
        return "hdlc+serial" if self.mode_e is None else "optical"

    def url(self, query: dict[str, Any]) -> str:
        """Return the URL of this port with `query` behind what is not as usual."""
        said: dict[str, Any] = {} if self.echo == "auto" else {"echo": self.echo}
        if self.mode_e is None:
            line, names = self.line, {letter: name for name, letter in PARITIES.items()}
            said |= {"baud": line.baud} if line.baud != HDLC_LINE.baud else {}
            said |= {"parity": names[line.parity]} if line.parity != HDLC_LINE.parity else {}
            said |= {"stopbits": line.stopbits} if line.stopbits != HDLC_LINE.stopbits else {}
        else:
            mode_e, usual = self.mode_e, ModeESettings()
            said |= {"baud": mode_e.baud} if mode_e.baud != usual.baud else {}
            said |= {"address": mode_e.address} if mode_e.address else {}
            said |= {"max_baud": mode_e.max_baud} if mode_e.max_baud else {}
            said |= {"parity": "software"} if mode_e.software_parity else {}
            said |= {"wakeup": "yes"} if mode_e.wake_up else {}
            said |= {"insist": "yes"} if mode_e.insist else {}
        path = self.path if self.path.startswith("/") else f"/{self.path}"
        return f"{self.scheme}://{path}?{urlencode(said | query)}"

    @property
    def no_meeting(self) -> str:
        """What to try next where nobody answered; mode E says that by itself."""
        return NO_MEETING if self.mode_e is None else ""

    def give_time(self, settings: AssociationSettings, timeout: float | None) -> None:
        """Lengthen the time-outs by what the line and mode E need.

        A meter of mode E may stay at the slowest speed; HDLC notices silence sooner. `timeout` is what the user wants.
        """
        mode_e = self.mode_e
        line = self.line if mode_e is None else LineSettings(SLOWEST)
        settings.release_timeout = _response(line)
        if timeout is None:
            settings.response_timeout += line.seconds(int(settings.max_pdu_size * OVERHEAD))
            # Both layers say in words by themselves that nobody answers.
            settings.connect_timeout = TRIES * _response(line) + 1.0
        settings.connect_timeout += 0.0 if mode_e is None else mode_e.seconds


def _response(line: LineSettings, answer: float = ANSWER) -> float:
    return answer + 2 * line.seconds(FRAME)


def _hdlc(
    line: LineSettings,
    tolerances: Tolerances,
    parameters: HdlcParameters | None,
    size: int | None,
    tries: int,
    response: float,
) -> Link:
    from cosem.link.hdlc.link import HdlcLink, HdlcTimeouts
    from cosem.link.hdlc.parameters import DEFAULT

    timeouts = HdlcTimeouts(response=_response(line, response), retries=tries - 1)
    return HdlcLink(
        parameters=parameters or DEFAULT, timeouts=timeouts, tolerances=tolerances, server_address_size=size
    )


def _count(query: dict[str, str], name: str, default: int) -> int:
    text = query.pop(name, str(default))
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise ConfigError(f"{name}={text} is no number")
    return int(text)


def _word(query: dict[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    word = query.pop(name, default)
    if word not in choices:
        raise ConfigError(f"{name}={word} is none of {', '.join(choices)}")
    return word

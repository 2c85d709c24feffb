"""The messages that open a port (IEC 62056-21, 6.3): opening, identification, option select; and their parity."""

from __future__ import annotations

import re
from typing import NamedTuple

from cosem.errors import ConfigError, DecodeError

BAUD = dict(zip("0123456789", (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200), strict=True))
"""Baud letters of modes C and E; 7 to 9, reserved in IEC 62056-21, are used as the Blue Book's class 19 lists them."""
MODE_B = "ABCDEFGHI"
ACK, STX = 0x06, 0x02
HDLC = "2"
"""Protocol control, mode control and enhanced identification character of the HDLC procedure."""
END = b"\r\n"
MAX_LINE = 64
"""Octets of a line: an identification has 5 and 16 characters, enhanced ones a few more, an opening 32 of address."""
LEAST_READOUT = 6
"""Characters of the shortest data set, a code and a value in brackets."""
_ADDRESS = re.compile(r"[0-9A-Za-z ]{0,32}")
_MANUFACTURER = re.compile(r"[A-Z]{2}[A-Za-z]")
_PRINTABLE = re.compile(r"[ -~]*")
_ODD = frozenset(octet for octet in range(256) if octet.bit_count() % 2)


def letter_for(limit: int) -> str:
    """Return the letter of the highest speed up to `limit` Bd, which is 300 at least."""
    return max(letter for letter, baud in BAUD.items() if baud <= limit)


def opening(address: str = "") -> bytes:
    """Return the request message. Raises `ConfigError` for an address of other than 32 digits, letters and spaces."""
    if not _ADDRESS.fullmatch(address):
        raise ConfigError("the device address of an opening has up to 32 digits, letters and spaces")
    return b"/?" + address.encode("ascii") + b"!" + END


def parse_opening(line: bytes) -> str:
    """Return the device address an opening (without its CR LF) asks for, or "". Raises `DecodeError`."""
    text = _text(line)
    if not text.startswith("/?") or not text.endswith("!") or not _ADDRESS.fullmatch(text[2:-1]):
        raise DecodeError("no opening message")
    return text[2:-1]


def asks_for(address: str, own: str) -> bool:
    """Whether an opening for `address` is for the device `own`: any without one, leading zeros count for nothing."""
    return not address or not own or address.lstrip("0") == own.lstrip("0")


class Identification(NamedTuple):
    """Who answers: manufacturer, baud letter, the enhanced characters (``"2"``: HDLC), and the text behind them."""

    manufacturer: str
    letter: str
    enhanced: str
    text: str

    @property
    def mode(self) -> str:
        """The protocol mode that the message offers: A, B, C or E. A device of mode D looks like one of mode C."""
        if HDLC in self.enhanced:
            return "E"
        if self.letter in BAUD:
            return "C"
        return "B" if self.letter in MODE_B else "A"

    @property
    def quick(self) -> bool:
        """Whether the device reacts within 20 ms instead of 200 ms: its third letter is a small one."""
        return self.manufacturer[2:].islower()

    def encode(self) -> bytes:
        """Return the message. Raises `ConfigError` for what no identification can say."""
        enhanced = "".join(f"\\{character}" for character in self.enhanced)
        octets = f"/{self.manufacturer}{self.letter}{enhanced}{self.text}".encode("ascii", "replace") + END
        try:
            if parse_identification(octets[:-2]) == self:
                return octets
        except DecodeError:
            pass
        raise ConfigError("an identification is three letters, a baud letter, and up to 16 printable characters")


def parse_identification(line: bytes) -> Identification:
    """Read an identification without its CR LF. Raises `DecodeError`."""
    text = _text(line)
    if not text.startswith("/"):
        raise DecodeError("an identification begins with /")
    if len(text) < 5 or not _MANUFACTURER.fullmatch(text[1:4]):
        raise DecodeError("an identification has three letters for the manufacturer and one for the speed", 1)
    rest, enhanced = text[5:], ""
    while len(rest) >= 2 and rest[0] == "\\":
        enhanced += rest[1]
        rest = rest[2:]
    return Identification(text[1:4], text[4], enhanced, rest)


def select(letter: str) -> bytes:
    """Return the option select for HDLC at a speed; the meter confirms with the same octets."""
    return bytes((ACK,)) + f"{HDLC}{letter}{HDLC}".encode("ascii") + END


class Select(NamedTuple):
    """An option select: protocol control character, baud letter, mode control character."""

    control: str
    letter: str
    mode: str

    @property
    def hdlc(self) -> bool:
        """Whether it asks for HDLC."""
        return self.control == HDLC and self.mode == HDLC


def parse_select(line: bytes) -> Select:
    """Read an option select without its CR LF. Raises `DecodeError`."""
    if len(line) != 4 or line[0] != ACK:
        raise DecodeError("no option select")
    return Select(*_text(line[1:]))


def is_readout(line: bytes) -> bool:
    """Whether a line begins a data readout: STX and plain text, more of it than noise has by chance."""
    data = line[line.find(STX) + 1 :] if STX in line else b""
    return len(data) >= LEAST_READOUT and _PRINTABLE.fullmatch(data.decode("latin-1")) is not None


def _text(line: bytes) -> str:
    if len(line) > MAX_LINE:
        raise DecodeError(f"a line has {MAX_LINE} characters at the most", MAX_LINE)
    text = line.decode("latin-1")
    for at, character in enumerate(text):
        if not " " <= character <= "~":
            raise DecodeError("a character that is not printable", at)
    return text


def with_parity(octets: bytes) -> bytes:
    """Return seven-bit characters with even parity in their eighth bit, for a line of eight bits."""
    return bytes(octet | 0x80 if octet in _ODD else octet for octet in octets)


def without_parity(octets: bytes) -> tuple[bytes, bool]:
    """Return seven-bit characters, and whether their parity was right.

    It is right where every eighth bit makes it even, and where all of them are 0: a port of seven bits, or a device
    that sends none.
    """
    bare = bytes(octet & 0x7F for octet in octets)
    return bare, bare == octets or not any(octet in _ODD for octet in octets)


def words(identification: Identification) -> str:
    """Say why this identification leads to no HDLC."""
    who = f"{identification.manufacturer} {identification.text.strip()}".strip()
    mode = {
        "A": "mode A: it sends its data readout at once and takes no commands",
        "B": "mode B: it changes its speed by itself and sends a data readout",
        "C": "mode C (or D): it sends a data readout in plain text",
    }[identification.mode]
    return (
        f"the meter ({who}) identifies itself for {mode}; it does not offer HDLC (mode E, \\2). "
        "If it speaks HDLC all the same, say insist=yes; if its port is HDLC from the start, use hdlc+serial://"
    )

"""Octets in what people paste: hex in any dress, dumps with places in front, base64, P1 text, traces."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Final

from cosem.errors import ConfigError

MAX_LINES: Final = 20_000
MAX_MARKS: Final = 60
"""Signs in front of a direction: a time, a name."""
_SEPARATORS: Final = ":-,;_"
_DUMPED: Final = re.compile(r"\s*([0-9a-f]{4,8}):?[ \t]+((?:[0-9a-f]{2}(?:[0-9a-f]{2})?(?:[ \t]{1,2}|$)){1,16})", re.I)
_SENT: Final = "->|=>|>>|>|→|tx|send|sent|out|request"
_RECEIVED: Final = "<-|<=|<<|<|←|rx|recv|received|receive|in|response"
_MARKED: Final = re.compile(rf"([^<>←→]{{0,{MAX_MARKS}}}?)(?<![a-z])({_SENT}|{_RECEIVED})(?![a-z])[:>\s]*", re.I)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_SHORTEST_BASE64: Final = 16


@dataclass(frozen=True, slots=True)
class Message:
    """Octets that went over a line at once. `direction` is ``>`` to the meter, ``<`` from it, or unknown ("").

    `at` is what stood in front of it, mostly a time.
    """

    octets: bytes
    direction: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Pasted:
    """What was found: `messages` in order. `passed` lines had no octets; `lines` is each line by itself where each of
    several lines is hex, since those may be one telegram or one in each line."""

    messages: tuple[Message, ...]
    passed: int = 0
    lines: tuple[bytes, ...] = ()

    @property
    def is_trace(self) -> bool:
        """Whether directions were told."""
        return any(message.direction for message in self.messages)


def octets_of_hex(text: str) -> bytes | None:
    """Read hex digits; blanks, separators, ``0x`` and comments (#) may stand between. None if it is not hex."""
    lines = (line.split("#", 1)[0] for line in text.splitlines())
    digits = " ".join(lines).replace("0x", " ").replace("0X", " ")
    for separator in _SEPARATORS:
        digits = digits.replace(separator, " ")
    compact = "".join(digits.split())
    if not compact or len(compact) % 2:
        return None
    try:
        return bytes.fromhex(compact)
    except ValueError:
        return None


def read_pasted(text: str) -> Pasted:
    """Return the octets in `text`. Raises `ConfigError`, which says where it stops being octets."""
    if not text.strip():
        raise ConfigError("there is nothing to explain: paste octets, for instance hex digits")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_LINES:
        raise ConfigError(f"more than {MAX_LINES} lines")
    if text.lstrip().startswith("/") and "!" in text:
        return Pasted((Message(_p1(text)),))
    if (octets := octets_of_hex(text)) is not None:
        alone = [octets_of_hex(line) for line in lines]
        each = tuple(line for line in alone if line) if len(alone) > 1 and None not in alone else ()
        # Lines that all begin with their place are a dump, although the places are hex digits, too.
        return Pasted((Message(_dump(lines) or octets),), lines=each)
    if (octets := _dump(lines)) is not None:
        return Pasted((Message(octets),))
    if (found := _trace(lines)) is not None:
        return found
    if (octets := _base64(text)) is not None:
        return Pasted((Message(octets),))
    raise ConfigError(_why(lines))


def _p1(text: str) -> bytes:
    # A telegram has CR LF, which clipboards change; its check sum counts them.
    body, _, check = text.strip().partition("!")
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    check = check.strip()
    return ("\r\n".join(lines) + "!" + (f"{check}\r\n" if check else "\r\n")).encode("ascii", "replace")


def _dump(lines: list[str]) -> bytes | None:
    """Read lines that begin with their place, as tools of many makers write them; None if they are something else."""
    found = bytearray()
    for number, line in enumerate(lines):
        match = _DUMPED.match(line)
        if match is None:
            # hexdump ends with the place behind the last octet, alone in its line.
            end = line.strip().rstrip(":")
            if number and number == len(lines) - 1 and re.fullmatch("[0-9a-fA-F]{4,8}", end):
                return bytes(found) if int(end, 16) == len(found) else None
            return None
        if int(match[1], 16) != len(found):
            return None
        found += bytes.fromhex("".join(match[2].split()))
    return bytes(found) if len(lines) > 1 else None


def _trace(lines: list[str]) -> Pasted | None:
    """Read lines with directions, or JSON lines of ``--trace``; None where no line has a direction and octets."""
    found: list[Message] = []
    passed = 0
    for line in lines:
        message = _json_message(line) if line.lstrip().startswith("{") else _message(line)
        if message is not None:
            found.append(message)
            continue
        more = octets_of_hex(line)
        if more is not None and found:
            last = found[-1]
            found[-1] = Message(last.octets + more, last.direction, last.at)
        else:
            passed += 1
    return Pasted(tuple(found), passed) if found else None


def _message(line: str) -> Message | None:
    match = _MARKED.match(line)
    octets = None if match is None else octets_of_hex(line[match.end() :])
    if match is None or octets is None:
        return None
    sent = re.fullmatch(_SENT, match[2], re.I) is not None
    return Message(octets, ">" if sent else "<", match[1].strip(" \t[]:,;|-="))


def _json_message(line: str) -> Message | None:
    try:
        said = json.loads(line)
        octets = bytes.fromhex(said["octets"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    direction = said.get("direction")
    return Message(octets, direction if direction in (">", "<") else "", str(said.get("at", ""))[:MAX_MARKS])


def _base64(text: str) -> bytes | None:
    compact = "".join(text.split())
    if _BASE64.fullmatch(compact) is None:
        return None
    try:
        return base64.b64decode(compact.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        return None


def _why(lines: list[str]) -> str:
    """Say where hex stops being hex."""
    digits = 0
    for number, line in enumerate(lines, 1):
        rest = line.split("#", 1)[0]
        rest = rest.replace("0x", "  ").replace("0X", "  ")
        for place, sign in enumerate(rest, 1):
            if sign.isspace() or sign in _SEPARATORS:
                continue
            if sign not in "0123456789abcdefABCDEF":
                shown = sign if sign.isprintable() else f"U+{ord(sign):04X}"
                return f"{shown!r} in line {number}, sign {place}, is no hex digit"
            digits += 1
    return "there are no hex digits" if not digits else f"{digits} hex digits: an octet has two, so one is missing"

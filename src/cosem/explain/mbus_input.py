"""Telegrams in what people have: hex, lines of radio receivers, captures of a wire or of a dongle's serial port."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from cosem.errors import DecodeError
from cosem.link.mbus_frame import parse_any_at, parse_at
from cosem.mbus.crc import crc16
from cosem.mbus.relays import (
    AMB_RECEIVED,
    AMB_START,
    IM_START,
    Amb8465Framer,
    Im871aFramer,
    Received,
    Relay,
    parse_cul,
    parse_line,
)
from cosem.mbus.telegram import is_wired
from cosem.mbus.wireless import CONTROLS, CRC, HEADER, Format, decode_frame, length_a

Item: TypeAlias = Received | DecodeError
"""A frame as it was received, or why there is none."""

_START, _SHORT = b"\x68", b"\x10"
_SIGNS = ("telegram=", "0x", "0X", "|", "_", ":", "-", ",")
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
SHORTEST_RELAYED = 24
"""Signs: a link layer of ten octets with what marks the line. A shorter b may begin hex digits."""
MAX_TEXT = 8 * 1024 * 1024
"""Characters of one input that are looked at; a day of a busy receiver is less."""


def telegrams_in(source: str | bytes) -> list[Item]:
    """Return the frames of text (hex, relays' lines) or of octets, in order; what is no frame is the reason why."""
    if len(source) > MAX_TEXT:
        return [DecodeError(f"more than {MAX_TEXT} characters or octets at once", MAX_TEXT)]
    if isinstance(source, str):
        return list(_in_text(source))
    text = _text_of(source)
    if text is None:
        return frames_in(source)
    # No frame is made of printable octets alone: such a file is text, and what is wrong with it is said as of text.
    printable = "".join(text.split()).isprintable()
    return list(_in_text(text)) if printable or is_text(text) else frames_in(source)


def octets_in(source: str | bytes) -> bytes | None:
    """Return octets from hex over any lines, or as they are; None for text that is no hex."""
    if isinstance(source, bytes):
        text = _text_of(source)
        if text is None:
            return source
        digits = _hex(" ".join(_lines(text)))
        return source if digits is None else _octets(digits)
    digits = _hex(" ".join(_lines(source)))
    return None if digits is None else _octets(digits)


def _text_of(source: bytes) -> str | None:
    """Return a file as text, None where it is none; editors and shells of Windows put a mark in front of theirs."""
    encoding = next((encoding for mark, encoding in _MARKS.items() if source.startswith(mark)), "ascii")
    try:
        text = source.decode(encoding)
    except UnicodeDecodeError:
        return None
    # Octets may begin with what looks like a mark: text behind one says something that can be read.
    return text if encoding == "ascii" or is_text(text) else None


def is_text(text: str) -> bool:
    """Say whether text can be hex or lines of a relay, in its first line that says anything."""
    first = next(iter(_lines(text)), "")
    return bool(first) and (_is_relay(first) or _hex(first) is not None)


def is_relayed(text: str) -> bool:
    """Say whether text begins with a line of a relay, which is more than hex."""
    first = next(iter(_lines(text)), "")
    return len(first) > SHORTEST_RELAYED and _is_relay(first)


def _lines(text: str) -> list[str]:
    found = []
    for line in text.splitlines():
        said = line.split("#", 1)[0].strip()
        if said:
            found.append(said)
    return found


def _is_relay(line: str) -> bool:
    if ";" in line:
        return line[:1] in ("C", "T", "S")
    return line[:1] == "b" and (line[1:2] == "Y" or len(line) % 2 != 0)


def _hex(line: str) -> str | None:
    """Return the digits of a line of hex, with whatever logs put between them taken out; None for something else."""
    for sign in _SIGNS:
        line = line.replace(sign, " ")
    digits = "".join(line.split())
    return digits if digits and not digits.lower().strip("0123456789abcdef") else None


def _in_text(text: str) -> Iterator[Item]:
    hexes: list[str] = []
    for line in _lines(text):
        digits = None if _is_relay(line) else _hex(line)
        if digits is not None:
            hexes.append(digits)
            continue
        yield from _in_hex(hexes)
        hexes = []
        yield _relayed(line)
    yield from _in_hex(hexes)


def _relayed(line: str) -> Item:
    try:
        received = parse_line(line)
    except DecodeError as error:
        return error
    if received.relay is Relay.CUL and not _is_frame(received.frame, received.form):
        # A CUL that was not told to add the signal (X21) ends its lines with the frame.
        bare = parse_cul(line, signal=False)
        if _is_frame(bare.frame, bare.form):
            return bare
    return received


def _in_hex(lines: Sequence[str]) -> Iterator[Item]:
    """Yield the frames of lines of hex: one in each line, or one dumped over many lines."""
    if not lines:
        return
    pieces = [_octets(line) for line in lines]
    alone = [[] if piece is None else frames_in(piece) for piece in pieces]
    whole = _octets("".join(lines)) if len(lines) > 1 else None
    if whole is not None and not all(map(_all_frames, alone)):
        together = frames_in(whole)
        if _all_frames(together):
            yield from together
            return
    for piece, items in zip(pieces, alone, strict=True):
        if piece is None:
            yield DecodeError("an odd number of hex digits", 0)
        yield from items


def _octets(digits: str) -> bytes | None:
    return bytes.fromhex(digits) if len(digits) % 2 == 0 else None


def _all_frames(items: Sequence[Item]) -> bool:
    return bool(items) and all(isinstance(item, Received) and _is_frame(item.frame, item.form) for item in items)


def _is_frame(octets: bytes, form: Format | None) -> bool:
    if octets and line_size(octets) == len(octets):
        return True
    try:
        if is_wired(octets):
            return parse_at(octets)[1] == len(octets)
        decode_frame(octets, form)
    except DecodeError:
        return False
    return True


def frames_in(octets: bytes) -> list[Item]:
    """Split octets into frames: those of a dongle, or wired and wireless ones one behind the other.

    What cannot be a frame is handed on as one, so that whoever decodes it says what is wrong.
    """
    dongle = _of_dongle(octets)
    if dongle:
        return dongle
    found: list[Item] = []
    at = 0
    while at < len(octets):
        size = _size(octets, at)
        found.append(Received(octets[at : at + size], Relay.HEX))
        at += size
    return found


def _of_dongle(octets: bytes) -> list[Item]:
    """Return the frames of an iM871A or AMB8465 where octets are nothing but its messages."""
    framers: tuple[Im871aFramer | Amb8465Framer, ...]
    if octets[:1] == bytes((IM_START,)):
        framers = (Im871aFramer(),)
    elif octets[:2] == bytes((AMB_START, AMB_RECEIVED)):
        # Whether the signal stands behind the frame is a setting of the dongle that no octet tells.
        framers = (Amb8465Framer(rssi=True), Amb8465Framer(rssi=False))
    else:
        return []
    best: list[Item] = []
    for framer in framers:
        items = framer.feed(octets) + framer.flush()
        frames = [item for item in items if isinstance(item, Received)]
        if len(frames) == len(items) and frames:
            if all(_plausible(item.frame) and not _cut(item.frame) for item in frames):
                return list(frames)
            best = best or list(frames)
    return best


def _cut(frame: bytes) -> bool:
    """Say whether records end within a value: the signal was taken for the frame's last octet, or the other way."""
    from cosem.mbus.record import decode_records
    from cosem.mbus.telegram import State, decode_headers

    try:
        telegram = decode_headers(frame, link="wireless", form=Format.STRIPPED)
        if telegram.state is State.CLEAR:
            decode_records(telegram.application)
        elif telegram.header.configuration.mode == 5 and telegram.ell is None:
            return len(telegram.application) % 16 != 0 and telegram.header.configuration.enciphered is None
    except DecodeError:
        return True
    return False


WINDOW = 1024
"""Octets in which any frame ends."""


def _size(octets: bytes, at: int) -> int:
    """Return how many octets belong to the frame at `at`: its own where another follows, else all up to a sound one."""
    rest = octets[at : at + WINDOW]
    size = line_size(rest) or (_wired_size(rest) if is_wired(rest) else _wireless_size(rest))
    end = at + size
    if size and (end == len(octets) or _follows(octets, end)):
        return size
    found = octets.find(_START, at + 1)
    while found >= 0:
        if _follows(octets, found):
            return found - at
        found = octets.find(_START, found + 1)
    return len(octets) - at


def line_size(rest: bytes) -> int:
    """Return how many octets an acknowledge or a short frame at the beginning of `rest` has; 0 where none stands."""
    if rest[:1] == b"\xe5" and (len(rest) == 1 or rest[1:2] in (_START, _SHORT, b"\xe5")):
        return 1
    if rest[:1] != _SHORT:
        return 0
    try:
        return parse_any_at(rest)[1]
    except DecodeError:
        return 0


def _wired_size(rest: bytes) -> int:
    try:
        return parse_at(rest)[1]
    except DecodeError:
        return rest[1] + 6


def _wireless_size(rest: bytes) -> int:
    l_field = rest[0]
    if l_field < HEADER - 1:
        return 0
    first = rest[: HEADER + CRC]
    with_crc = len(first) == HEADER + CRC and crc16(first[:HEADER]) == first[HEADER] << 8 | first[HEADER + 1]
    return length_a(l_field) if with_crc else l_field + 1


def _follows(octets: bytes, at: int) -> bool:
    """Say whether a frame begins at `at`: a sound wired one, or what may be a wireless one."""
    rest = octets[at : at + WINDOW]
    if line_size(rest):
        return True
    if is_wired(rest):
        return _is_sound(rest)
    return octets[at : at + 1] != _START and _plausible(rest)


def _is_sound(rest: bytes) -> bool:
    try:
        parse_at(rest)
    except DecodeError:
        return False
    return True


def _plausible(octets: bytes) -> bool:
    """Say whether octets may begin with a wireless frame."""
    return len(octets) > HEADER and HEADER <= octets[0] < len(octets) and octets[1] in CONTROLS

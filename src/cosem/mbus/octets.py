"""Every octet of a telegram explained: fields in order, each with its place in the frame as it was received.

The application is one field here; its records explain themselves (`cosem.mbus.record`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cosem.link.mbus_frame import LongFrame
from cosem.mbus.ci import HeaderKind, meaning
from cosem.mbus.header import COUNTER, Configuration, status_words
from cosem.mbus.link_fields import wired_control_name
from cosem.mbus.media import medium_name
from cosem.mbus.telegram import Layer, State, Telegram
from cosem.mbus.wireless import BLOCK_A, CRC, FIRST_B, HEADER, Address, Format, WirelessFrame, control_name, place


class Field(NamedTuple):
    """A field: `offset` and `length` in the frame as received, its octets (deciphered) and what they say.

    A field that a CRC of format A or B stands in the middle of is longer in the frame than its octets.
    """

    layer: str
    name: str
    offset: int
    length: int
    octets: bytes
    text: str = ""


_Part = tuple[str, int, str]
"""Name, octets, text."""


def _link(telegram: Telegram) -> list[_Part]:
    link = telegram.link
    if isinstance(link, LongFrame):
        length = str(link.length)
        return [
            ("start", 1, ""),
            ("L", 1, length),
            ("L", 1, length),
            ("start", 1, ""),
            ("C", 1, wired_control_name(link.control)),
            ("A", 1, str(link.address)),
        ]
    if not isinstance(link, WirelessFrame):
        return []
    return [("L", 1, ""), ("C", 1, control_name(link.control)), *_address(link.address, header=False)]


def _address(address: Address, *, header: bool) -> list[_Part]:
    maker: _Part = ("manufacturer", 2, address.code)
    number: _Part = ("identification", 4, address.number)
    first = [number, maker] if header else [maker, number]
    return [*first, ("version", 1, f"{address.version:02X}"), ("medium", 1, medium_name(address.medium))]


def _ell(telegram: Telegram) -> list[_Part]:
    ell = telegram.ell
    if ell is None:
        return []
    parts: list[_Part] = [
        ("CI", 1, "extended link layer"),
        ("CC", 1, ", ".join(ell.control_words)),
        ("access number", 1, str(ell.access_number)),
    ]
    if ell.ci == 0x86:
        parts.append(("control", 1, f"{ell.selection:02X}"))
    if ell.receiver is not None:
        parts += _address(ell.receiver, header=False)
    if ell.session is not None:
        session = ell.session
        parts.append(("session number", 4, f"minute {session.minutes}, session {session.session}"))
    if ell.delta is not None:
        parts.append(("run time delta", 2, ""))
    if ell.level is not None:
        parts.append(("reception level", 1, str(ell.level)))
    return parts


def _afl(telegram: Telegram) -> list[_Part]:
    afl = telegram.afl
    if afl is None:
        return []
    which = f"fragment {afl.fragment}{', more follow' if afl.more else ''}" if afl.fragment else "whole"
    parts: list[_Part] = [("CI", 1, "authentication layer"), ("length", 1, ""), ("FCL", 2, which)]
    if afl.control is not None:
        parts.append(("MCL", 1, f"authentication type {afl.authentication}"))
    if afl.key_information is not None:
        parts.append(("KI", 2, f"key {afl.key_information.key_id}"))
    if afl.counter is not None:
        parts.append(("MCR", 4, str(afl.counter)))
    if afl.mac is not None:
        parts.append(("MAC", len(afl.mac), ""))
    if afl.length is not None:
        parts.append(("ML", 2, str(afl.length)))
    return parts


def _configuration(configuration: Configuration) -> list[_Part]:
    parts: list[_Part] = [("configuration", 2, f"security mode {configuration.mode}")]
    if configuration.extension:
        parts.append(("extension", len(configuration.extension), f"key {configuration.key_id}"))
    if configuration.key_version is not None:
        parts.append(("key version", 1, str(configuration.key_version)))
    if configuration.counter is not None:
        parts.append(("message counter", COUNTER, str(configuration.counter)))
    return parts


def _tpl(telegram: Telegram) -> list[_Part]:
    header = telegram.header
    said = meaning(telegram.ci, wired=telegram.wired, length=len(telegram.application))
    parts: list[_Part] = [("CI", 1, f"{said.content.value}, {said.direction.value}")]
    if header.kind is HeaderKind.NONE:
        return parts
    if header.address is not None:
        parts += _address(header.address, header=True)
    return [
        *parts,
        ("access number", 1, str(header.access_number)),
        ("status", 1, ", ".join(status_words(header.status))),
        *_configuration(header.configuration),
    ]


_PARTS = {
    "mbus-link": _link,
    "wmbus-link": _link,
    "ell": _ell,
    "afl": _afl,
    "tpl": _tpl,
}


def _split(layer: Layer, telegram: Telegram) -> Iterator[tuple[str, int, int, str]]:
    maker = _PARTS.get(layer.name)
    at = layer.offset
    end = layer.offset + layer.length
    if layer.name == "mbus-link-end":
        yield "checksum", at, 1, ""
        yield "stop", at + 1, 1, ""
        return
    for name, length, text in maker(telegram) if maker else []:
        yield name, at, length, text
        at += length
    if at < end:
        text = telegram.state.value if telegram.state is not State.CLEAR else ""
        yield {"ell": "payload CRC"}.get(layer.name, layer.name), at, end - at, text


def fields(telegram: Telegram) -> list[Field]:
    """Return the fields of a decoded telegram; together they are every octet of its frame, CRCs included."""
    link = telegram.link
    form = link.format if isinstance(link, WirelessFrame) else Format.STRIPPED
    octets = telegram.octets
    found = []
    for layer in telegram.layers:
        for name, at, length, text in _split(layer, telegram):
            start = place(form, at)
            end = place(form, at + length - 1) + 1
            found.append(Field(layer.name, name, start, end - start, octets[at : at + length], text))
    return sorted(found + _crcs(form, len(octets)), key=lambda item: (item.offset, -item.length))


def _crcs(form: Format, size: int) -> list[Field]:
    if form is Format.STRIPPED:
        return []
    if form is Format.B:
        ends = [min(size, FIRST_B), *([size] if size > FIRST_B else [])]
    else:
        ends = [HEADER, *range(HEADER + BLOCK_A, size, BLOCK_A), *([size] if size > HEADER else [])]
    return [
        Field("wmbus-link", f"CRC of block {number}", place(form, end - 1) + 1, CRC, b"")
        for number, end in enumerate(ends, start=1 if form is Format.A else 2)
    ]

"""Where the fields of a layer stand in its octets, for layers whose explanation tells their values alone."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, NamedTuple

from cosem.errors import CosemError
from cosem.explain.tree import Layer
from cosem.obis import Obis
from cosem.security.gcm import TAG_LENGTH


class What(StrEnum):
    """What octets are, for their colour."""

    FRAME = "frame"
    ADDRESS = "address"
    CHECK = "check"
    SECURITY = "security"
    SEALED = "sealed"
    SERVICE = "service"
    TYPE = "type"
    VALUE = "value"
    UNKNOWN = "unknown"


class Piece(NamedTuple):
    """A field: `start` to `end` in the octets of its layer."""

    what: What
    name: str
    start: int
    end: int
    words: str = ""


LINKS: Final = frozenset(
    {"hdlc", "llc", "wrapper", "mbus-link", "mbus-transport", "gateway", "sfsk-phy", "sfsk-mac", "sfsk-llc",
     "wmbus-link", "ell", "afl"}
)  # fmt: skip
"""Layers that carry others."""
PROTECTED: Final = {
    "general-glo-ciphering": "protected under a global key",
    "general-ded-ciphering": "protected under a dedicated key",
    "general-ciphering": "protected, with a key of its own",
    "general-signing": "signed",
}
_FLAG: Final = b"\x7e"


def pieces(layer: Layer, *, last: bool) -> list[Piece]:
    """Return the fields of a layer that can be found again; `last` says that nothing is explained inside of it."""
    make = _TABLE.get(layer.name) or (_protected if "text" in layer.fields else _service)
    size = len(layer.octets)
    return [piece for piece in make(layer, last) if 0 <= piece.start < piece.end <= size]


def told(layer: Layer) -> frozenset[str]:
    """Return the names of what `pieces` tells of a layer already."""
    return _TOLD_PROTECTED if "text" in layer.fields else _TOLD.get(layer.name, _TOLD_SERVICE)


def _row(*fields: tuple[What, str, int, str], at: int = 0) -> list[Piece]:
    """Return fields one behind the other, each with its length."""
    found = []
    for what, name, size, words in fields:
        found.append(Piece(what, name, at, at + size, words))
        at += size
    return found


def _hdlc(layer: Layer, last: bool) -> list[Piece]:
    octets, fields = layer.octets, layer.fields
    at = 1 if octets[:1] == _FLAG else 0
    end = len(octets) - (1 if octets[-1:] == _FLAG and len(octets) > 1 else 0)
    frame = fields["frame"]
    numbers = [f"{name.upper()} {frame[name]}" for name in ("ns", "nr") if name in frame]
    control = ", ".join([frame["type"], *numbers, *(["poll or final"] if frame["pf"] else [])])
    length = f"{fields['frame_length']} octets" + (", more segments follow" if fields["segmented"] else "")
    found = _row((What.FRAME, "flag", at, ""))
    found += _row(
        (What.FRAME, "format and length", 2, length),
        (What.ADDRESS, "destination", len(fields["dst"]["bytes"]) // 2, _hdlc_address(fields["dst"])),
        (What.ADDRESS, "source", len(fields["src"]["bytes"]) // 2, _hdlc_address(fields["src"])),
        (What.FRAME, "control", 1, control),
        (What.CHECK, "header check", 2 if "hcs" in fields else 0, ""),
        at=at,
    )
    if last and found[-1].end < end - 2:
        found.append(Piece(What.SERVICE, "information", found[-1].end, end - 2))
    found.append(Piece(What.CHECK, "frame check", end - 2, end, ""))
    return [*found, Piece(What.FRAME, "flag", end, len(octets))]


def _hdlc_address(address: dict[str, Any]) -> str:
    lower = address.get("lower")
    return str(address["upper"]) if lower is None else f"logical device {address['upper']}, physical {lower}"


def _llc(layer: Layer, last: bool) -> list[Piece]:
    return [Piece(What.FRAME, "LLC header", 0, 3, str(layer.fields["direction"]))]


def _wrapper(layer: Layer, last: bool) -> list[Piece]:
    fields = layer.fields
    return _row(
        (What.FRAME, "version", 2, str(fields["version"])),
        (What.ADDRESS, "source", 2, f"wPort {fields['src']}"),
        (What.ADDRESS, "destination", 2, f"wPort {fields['dst']}"),
        (What.FRAME, "length", 2, f"{fields['data_length']} octets"),
    )


def _mbus_link(layer: Layer, last: bool) -> list[Piece]:
    fields, size = layer.fields, len(layer.octets)
    return [
        *_row(
            (What.FRAME, "start", 1, ""),
            (What.FRAME, "L", 2, f"{fields['l_coded']}, twice"),
            (What.FRAME, "start", 1, ""),
            (What.FRAME, "C", 1, f"{fields['c']:02X}"),
            (What.ADDRESS, "A", 1, str(fields["a"])),
        ),
        Piece(What.CHECK, "check sum", size - 2, size - 1),
        Piece(What.FRAME, "stop", size - 1, size),
    ]


def _mbus_transport(layer: Layer, last: bool) -> list[Piece]:
    fields = layer.fields
    block = f"piece {fields['block']}" + (", the last" if fields.get("last") else "")
    return _row(
        (What.FRAME, "CI", 1, block),
        (What.ADDRESS, "source", 1, str(fields["stsap"])),
        (What.ADDRESS, "destination", 1, str(fields["dtsap"])),
    )


def _gateway(layer: Layer, last: bool) -> list[Piece]:
    fields = layer.fields
    return _row(
        (What.FRAME, "gateway", 1, str(fields["direction"])),
        (What.ADDRESS, "network", 1, str(fields["network"])),
        (What.FRAME, "length", 1, ""),
        (What.ADDRESS, "device", len(fields["device"]) // 2, str(fields["device"])),
    )


def _sfsk_mac(layer: Layer, last: bool) -> list[Piece]:
    fields, size = layer.fields, len(layer.octets)
    if "form" in fields:
        return []
    credits = ", ".join(f"{name} {value}" for name, value in fields["credits"].items())
    found = _row(
        (What.FRAME, "NS", 2, f"{fields['NS']} subframes"),
        (What.FRAME, "credits", 1, credits),
        (
            What.ADDRESS,
            "addresses",
            3,
            f"{fields['SA']} ({fields['SA_words']}) to {fields['DA']} ({fields['DA_words']})",
        ),
        (What.FRAME, "padding", 1, f"{fields['pad']} octets"),
    )
    if fields["pad"]:
        found.append(Piece(What.FRAME, "padding", size - 3 - fields["pad"], size - 3))
    return [*found, Piece(What.CHECK, "frame check", size - 3, size)]


def _sfsk_llc(layer: Layer, last: bool) -> list[Piece]:
    return _row(
        (What.FRAME, "control", 1, ""),
        (What.ADDRESS, "destination", 1, str(layer.fields["dsap"])),
        (What.ADDRESS, "source", 1, str(layer.fields["ssap"])),
    )


def _protected(layer: Layer, last: bool) -> list[Piece]:
    """Of ``.. SC || IC || text [|| tag]`` at the end of the APDU."""
    fields, size = layer.fields, len(layer.octets)
    tag = TAG_LENGTH if "tag" in fields else 0
    text = size - tag - len(fields["text"]) // 2
    control = fields["sc"]
    said = [name for name in ("authenticated", "encrypted", "compressed") if control[name]] or ["no protection"]
    found = [Piece(What.SERVICE, "APDU", 0, 1, layer.name)]
    title = bytes.fromhex(fields.get("system_title") or "")
    if title and (at := layer.octets.find(title, 1, text)) > 0:
        words = f"{fields['system_title']} {fields.get('manufacturer', '')}".rstrip()
        found.append(Piece(What.ADDRESS, "system title", at, at + len(title), words))
    found += [
        Piece(What.SECURITY, "security control", text - 5, text - 4,
              f"suite {control['suite']}, {', '.join(said)}, {control['key_set']} key"),
        Piece(What.SECURITY, "invocation counter", text - 4, text, str(fields["invocation_counter"])),
        Piece(What.SEALED if control["encrypted"] else What.SERVICE, "enciphered" if control["encrypted"] else "text",
              text, size - tag, f"{size - tag - text} octets"),
        Piece(What.CHECK, "authentication tag", size - tag, size),
    ]  # fmt: skip
    # An APDU that is authenticated only stands there in clear, and is explained inside.
    return found if control["encrypted"] or last else [piece for piece in found if piece.name != "text"]


def _service(layer: Layer, last: bool) -> list[Piece]:
    """Of services: the tag, the invoke-id, and the attribute or method where it stands behind them."""
    octets, fields = layer.octets, layer.fields
    found = [Piece(What.SERVICE, "APDU", 0, 1, layer.name)]
    invoke = fields.get("invoke") or fields.get("long_invoke")
    raw = bytes.fromhex(invoke["raw"]) if isinstance(invoke, dict) else b""
    if isinstance(invoke, dict) and (at := octets.find(raw, 1, 8)) > 0:
        words = f"id {invoke['id']}, {'confirmed' if invoke['confirmed'] else 'unconfirmed'}"
        found.append(Piece(What.SERVICE, "invoke id", at, at + len(raw), words))
        found += _descriptor(octets, fields, at + len(raw))
    for name in ("calling_ap_title", "responding_ap_title"):
        title = bytes.fromhex(fields.get(name) or "")
        if title and (at := octets.find(title)) > 0:
            found.append(Piece(What.ADDRESS, "system title", at, at + len(title), title.hex()))
    if isinstance(moment := fields.get("date_time"), dict):
        date = bytes.fromhex(moment["raw"])
        if (at := octets.find(date, 1, 24)) > 0:
            found.append(Piece(What.VALUE, "time", at, at + len(date), str(moment["date_time"])))
    return found


def _descriptor(octets: bytes, fields: dict[str, Any], at: int) -> list[Piece]:
    number = fields.get("attribute", fields.get("method"))
    if not isinstance(fields.get("class"), int) or not isinstance(number, int):
        return []
    try:
        name = bytes(Obis.parse(str(fields.get("obis"))))
    except (CosemError, ValueError):
        return []
    if octets[at : at + 9] != fields["class"].to_bytes(2, "big") + name + (number & 0xFF).to_bytes(1, "big"):
        return []
    kind = "attribute" if "attribute" in fields else "method"
    return _row(
        (What.SERVICE, "class", 2, str(fields["class"])),
        (What.ADDRESS, "logical name", 6, str(fields["obis"])),
        (What.SERVICE, kind, 1, str(number)),
        at=at,
    )


_TOLD: Final = {
    "hdlc": frozenset({"segmented", "frame_length", "dst", "src", "control", "frame", "llc", "hcs", "fcs"}),
    "llc": frozenset({"llc", "destination_lsap", "source_lsap", "direction"}),
    "wrapper": frozenset({"version", "src", "dst", "data_length"}),
    "mbus-link": frozenset({"c", "a", "l_coded", "octets", "checksum"}),
    "mbus-transport": frozenset({"block", "last", "stsap", "dtsap"}),
    "gateway": frozenset({"direction", "network", "device"}),
    "sfsk-llc": frozenset({"dsap", "ssap"}),
    "ciase": frozenset({"pdu"}),
}
_TOLD_PROTECTED: Final = frozenset(
    {"system_title", "manufacturer", "security_control", "sc", "invocation_counter", "tag"}
)
_TOLD_SERVICE: Final = frozenset(
    {"invoke", "long_invoke", "class", "obis", "attribute", "method", "date_time", "calling_ap_title",
     "responding_ap_title"}
)  # fmt: skip
_TABLE: Final[dict[str, Callable[[Layer, bool], list[Piece]]]] = {
    "hdlc": _hdlc,
    "llc": _llc,
    "wrapper": _wrapper,
    "mbus-link": _mbus_link,
    "mbus-transport": _mbus_transport,
    "gateway": _gateway,
    "sfsk-mac": _sfsk_mac,
    "sfsk-llc": _sfsk_llc,
    "sfsk-phy": lambda layer, last: [],
    "ciase": lambda layer, last: [Piece(What.SERVICE, "PDU", 0, 1, str(layer.fields["pdu"]))],
    "p1": lambda layer, last: [],
    "general-signing": lambda layer, last: [Piece(What.SERVICE, "APDU", 0, 1, layer.name)],
}

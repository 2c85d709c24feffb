"""Frames for an explanation: what stands in their headers, and the payload they carry, segments put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cosem.errors import DecodeError, IncompleteError
from cosem.explain.tree import Layer
from cosem.link import gateway, mbus_frame, wrapper
from cosem.link.base import Discarded
from cosem.link.hdlc import parameters
from cosem.link.hdlc.frame import Frame, HdlcAddress, parse_at
from cosem.link.hdlc.splitter import FrameSplitter
from cosem.plc.llc import is_hdlc_ciase

_LLC = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")


@dataclass(slots=True)
class Carrier:
    """One frame: its layer and what is `inner` to it (the transport on the M-Bus), and the payload that is complete
    with it (None while segments are missing)."""

    layer: Layer | None = None
    payload: bytes | None = None
    payload_offset: int = 0
    error: DecodeError | None = None
    inner: Layer | None = None
    manages: bool = False
    """Whether the management of a power line network speaks in it."""
    telegram: bytes | None = None
    """An M-Bus frame that carries something else than a piece of an APDU."""

    @property
    def has_llc(self) -> bool:
        """Whether the payload starts with an LLC header."""
        return self.payload is not None and is_llc(self.payload)


def is_llc(octets: bytes) -> bool:
    """Whether `octets` start with the LLC header of HDLC (E6 E6 00 for commands, E6 E7 00 for responses)."""
    return octets[:3] in _LLC


def llc_fields(octets: bytes) -> dict[str, Any]:
    """Explain an LLC header (IEC 62056-46, 6.3)."""
    return {
        "llc": octets[:3].hex(),
        "destination_lsap": f"{octets[0]:02x}",
        "source_lsap": f"{octets[1]:02x}",
        "direction": "response" if octets[1] & 1 else "command",
    }


# --- HDLC ------------------------------------------------------------------------------------------------------


def hdlc_carriers(octets: bytes) -> list[Carrier]:
    """Return the HDLC frames in `octets` and what is no frame, in order; segments are joined per pair of addresses."""
    splitter = FrameSplitter()
    items = splitter.feed(octets) + splitter.flush()
    carriers: list[Carrier] = []
    parts: dict[tuple[bytes, bytes, str], list[bytes]] = {}
    offset = 0
    for item in items:
        raw = item.octets if isinstance(item, Discarded) else item[1]
        at = octets.find(raw, offset)
        offset = at if at >= 0 else offset
        if isinstance(item, Discarded):
            carriers.append(Carrier(error=_why(octets, offset, item)))
        else:
            carriers.append(_hdlc_carrier(item[0], raw, offset, parts))
        offset += max(1, len(raw) - 1)
    if parts and carriers and carriers[-1].error is None and carriers[-1].payload is None:
        carriers[-1].error = IncompleteError("segments are still missing", len(octets))
    return carriers


def _why(octets: bytes, offset: int, item: Discarded) -> DecodeError:
    """Find out what is wrong with octets that were no frame; the offset counts in the whole input."""
    try:
        parse_at(octets, offset)
    except DecodeError as error:
        return error
    return DecodeError(item.reason, offset)


def _hdlc_carrier(frame: Frame, raw: bytes, offset: int, parts: dict[tuple[bytes, bytes, str], list[bytes]]) -> Carrier:
    carrier = Carrier(Layer("hdlc", offset, raw, hdlc_fields(frame)))
    if frame.kind in ("SNRM", "UA") and frame.info:
        try:
            carrier.layer.fields["params"] = parameters.parse(frame.info)._asdict()  # type: ignore[union-attr]
        except DecodeError as error:
            carrier.error = error.within("parameters", raw.find(frame.info))
    if frame.kind not in ("I", "UI") or not frame.info:
        return carrier
    key = (frame.destination.octets, frame.source.octets, frame.kind)
    earlier = parts.pop(key, [])
    if frame.segmented:
        parts[key] = [*earlier, frame.info]
        return carrier
    carrier.payload = b"".join([*earlier, frame.info])
    carrier.manages = is_hdlc_ciase(frame)
    # A joined payload is a buffer of its own; an unsegmented one stands in the frame.
    carrier.payload_offset = 0 if earlier else len(raw) - 3 - len(frame.info)
    return carrier


def hdlc_fields(frame: Frame) -> dict[str, Any]:
    """Explain the header of an HDLC frame."""
    control: dict[str, Any] = {"type": frame.kind}
    if frame.ns is not None:
        control["ns"] = frame.ns
    if frame.nr is not None:
        control["nr"] = frame.nr
    control["pf"] = frame.pf
    fields: dict[str, Any] = {
        "segmented": frame.segmented,
        "frame_length": frame.length,
        "dst": _address(frame.destination),
        "src": _address(frame.source),
        "control": f"{frame.control:02x}",
        "frame": control,
        "info": frame.info.hex(),
    }
    if is_llc(frame.info):
        fields["llc"] = frame.info[:3].hex()
    # Check sequences stand as on the line, least significant octet first.
    if frame.hcs is not None:
        fields["hcs"] = frame.hcs.to_bytes(2, "little").hex()
    fields["fcs"] = frame.fcs.to_bytes(2, "little").hex()
    return fields


def _address(address: HdlcAddress) -> dict[str, Any]:
    fields: dict[str, Any] = {"bytes": address.octets.hex(), "upper": address.upper}
    if address.lower is not None:
        fields["lower"] = address.lower
    return fields


# --- wrapper ---------------------------------------------------------------------------------------------------


def wrapper_carriers(octets: bytes) -> list[Carrier]:
    """Return the wrapper frames in `octets`."""
    carriers: list[Carrier] = []
    offset = 0
    while offset < len(octets):
        try:
            source, destination, apdu, end = wrapper.parse(octets, offset)
        except DecodeError as error:
            carriers.append(Carrier(error=error))
            break
        fields = {"version": wrapper.VERSION, "src": source, "dst": destination, "data_length": len(apdu)}
        carrier = Carrier(Layer("wrapper", offset, octets[offset:end], fields), apdu, 8)
        if not apdu:
            carrier.error = DecodeError("a wrapper header without an APDU", end)
        carriers.append(carrier)
        offset = end
    return carriers


# --- M-Bus -----------------------------------------------------------------------------------------------------


def mbus_carriers(octets: bytes) -> list[Carrier]:
    """Return the long frames of the wired M-Bus in `octets` and what is no frame, pieces of APDUs joined."""
    splitter = mbus_frame.FrameSplitter()
    items = splitter.feed(octets) + splitter.flush()
    carriers: list[Carrier] = []
    joiner = mbus_frame.PieceJoiner(0.0)
    offset = 0
    for item in items:
        if isinstance(item, Discarded):
            carriers.append(Carrier(error=_why_mbus(octets, offset, item)))
            offset += len(item.octets)
        else:
            carriers.append(_mbus_carrier(item[0], item[1], offset, joiner))
            offset += len(item[1])
    if joiner.incomplete and carriers[-1].error is None and carriers[-1].payload is None:
        carriers[-1].error = IncompleteError("pieces are still missing", len(octets))
    return carriers


def _why_mbus(octets: bytes, offset: int, item: Discarded) -> DecodeError:
    """Find out what is wrong with octets that were no frame; the offset counts in the whole input."""
    start = octets.find(b"\x68", offset, offset + len(item.octets))
    try:
        mbus_frame.parse_at(octets, max(start, offset))
    except DecodeError as error:
        return error
    return DecodeError(item.reason, offset)


def _mbus_carrier(frame: mbus_frame.LongFrame, raw: bytes, offset: int, joiner: mbus_frame.PieceJoiner) -> Carrier:
    fields: dict[str, Any] = {
        "c": frame.control,
        "a": frame.address,
        "ci": frame.ci,
        "l_coded": frame.coded,
        "octets": frame.length,
        "checksum": f"{raw[-2]:02x}",
    }
    carrier = Carrier(Layer("mbus-link", offset, raw, fields))
    if frame.ci > mbus_frame.TRANSPORT:
        carrier.telegram = raw
        return carrier
    try:
        item = mbus_frame.piece(frame)
    except DecodeError as error:
        # The CI field stands behind 68 L L 68 C A.
        carrier.error = error.within("data", 6)
        return carrier
    inside = {"ci": frame.ci, "block": item.number, "last": item.final, "stsap": item.stsap, "dtsap": item.dtsap}
    carrier.inner = Layer("mbus-transport", 6, raw[6:-2], inside)
    whole, given_up = joiner.take(frame.address, item, 0.0)
    if given_up:
        carrier.error = DecodeError(given_up[0].reason, offset + 6)
    carrier.payload = whole
    carrier.payload_offset = 3 if item.number == 0 else 0
    return carrier


# --- gateway ---------------------------------------------------------------------------------------------------


def gateway_layer(octets: bytes, offset: int) -> tuple[Layer, int]:
    """Return the layer of a gateway prefix and its length. Raises `DecodeError`."""
    prefix, end = gateway.parse(octets)
    fields = {
        "direction": "response" if prefix.response else "request",
        "network": prefix.network,
        "device": prefix.device.hex(),
    }
    return Layer("gateway", offset, octets, fields), end


def is_gateway(octets: bytes) -> bool:
    """Whether `octets` begin as a gateway prefix does; no APDU has one of these tags."""
    return octets[:1] in gateway.TAGS


def looks_like_mbus(octets: bytes) -> bool:
    """Whether the beginning of a long frame stands anywhere in `octets`."""
    start = octets.find(b"\x68")
    while start >= 0:
        head = octets[start : start + 4]
        if len(head) == 4 and head[3] == mbus_frame.START and (head[1] == head[2] or start == 0):
            return True
        start = octets.find(b"\x68", start + 1)
    return False

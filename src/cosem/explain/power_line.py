"""Power line frames for an explanation: slots, long MAC frames, what passes to a modem, LLC headers, and CIASE."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from cosem.errors import DecodeError, IncompleteError
from cosem.explain.tree import Layer
from cosem.plc import ciase, llc, mac_frame, modem_host, phy
from cosem.plc.addresses import AddressPlan
from cosem.plc.check24 import CONVENTIONS
from cosem.plc.mac_frame import SUBFRAME, MacFrame

_SLOT_HEAD: Final = phy.PREAMBLE + phy.DELIMITER
_PLAN: Final = AddressPlan()
_CIASE_TAGS: Final = frozenset(range(ciase.PING_REQUEST, ciase.REPEATER_CALL + 1)) - {0x1B} | {
    ciase.CiaseDialect().clear_alarm_tag
}


@dataclass(slots=True)
class LineFrame:
    """One MAC frame: its layers, and the M_sdu with its offset in the innermost of them; or what is wrong."""

    layers: list[Layer] = field(default_factory=list)
    m_sdu: bytes = b""
    offset: int = 0
    error: DecodeError | None = None


def looks_like_sfsk(octets: bytes) -> bool:
    """Whether `octets` begin as a slot, a MAC frame or a modem's message does."""
    return octets[:4] == _SLOT_HEAD or mac_frame.subframes_at(octets) is not None or _is_modem_message(octets)


def _is_modem_message(octets: bytes) -> bool:
    return octets[:1] == bytes((modem_host.STX,)) and octets[2:3] == bytes((modem_host.DATA_INDICATION,))


def line_frames(octets: bytes) -> list[LineFrame]:
    """Return the MAC frames in `octets`: slots, frames from NS to check sequence, or one message to a modem."""
    if octets[:4] == _SLOT_HEAD:
        return _from_slots(octets)
    if _is_modem_message(octets):
        return [_modem_message(octets)]
    frames: list[LineFrame] = []
    at = 0
    while at < len(octets):
        size = SUBFRAME * (mac_frame.subframes_at(octets, at) or MAX_UNKNOWN)
        frames.append(_mac_frame(octets[at : at + size], at))
        if frames[-1].error is not None:
            break
        at += size
    return frames


MAX_UNKNOWN: Final = mac_frame.MAX_SUBFRAMES
"""Subframes taken for a frame that does not tell its own; it is refused, and shown as far as it goes."""


def _mac_frame(octets: bytes, at: int) -> LineFrame:
    wrong: DecodeError | None = None
    for convention in CONVENTIONS.values():
        try:
            frame = mac_frame.parse(octets, convention)
        except DecodeError as error:
            wrong = wrong or error
            continue
        fields = {**mac_fields(frame), "fcs": octets[-3:].hex(), "fcs_convention": convention.name}
        return LineFrame([Layer("sfsk-mac", at, octets, fields)], frame.sdu, 7)
    assert wrong is not None  # there is at least one convention
    return LineFrame(error=type(wrong)(wrong.what, wrong.offset + at, wrong.path))


def mac_fields(frame: MacFrame) -> dict[str, Any]:
    """Return what stands in a MAC frame, by the names of the standard."""
    initial, current, delta = frame.credits
    return {
        "NS": frame.subframes,
        "credits": {"IC": initial, "CC": current, "DC": delta},
        "SA": f"{frame.source:03X}",
        "SA_words": _PLAN.words(frame.source),
        "DA": f"{frame.destination:03X}",
        "DA_words": _PLAN.words(frame.destination),
        "pad": frame.padding,
        "m_sdu": frame.sdu.hex(),
    }


def _modem_message(octets: bytes) -> LineFrame:
    try:
        frame = modem_host.parse_gurux(octets)
    except DecodeError as error:
        return LineFrame(error=error)
    fields = {
        "form": "to a modem (Gurux)",
        "length_field": octets[1],
        **mac_fields(frame),
        # What the message says; the MAC frame that a modem makes of it has its own.
        "pad": octets[7],
        "fcs": octets[-2:].hex(),
        "fcs_convention": "CRC-16/X-25",
    }
    return LineFrame([Layer("sfsk-mac", 0, octets, fields)], frame.sdu, 8)


def _from_slots(octets: bytes) -> list[LineFrame]:
    """Put the subframes of slots that follow each other together."""
    frames: list[LineFrame] = []
    at = 0
    while at < len(octets):
        begin, parts, missing = at, [], 1
        while missing:
            try:
                parts.append(phy.parse_slot(octets[at : at + phy.SLOT], indicator=None))
            except DecodeError as error:
                kind = IncompleteError if len(octets) - at < phy.SLOT else DecodeError
                return [*frames, LineFrame(error=kind(error.what, error.offset + at))]
            if len(parts) == 1:
                missing = mac_frame.subframes_at(parts[0]) or 1
            at += phy.SLOT
            missing -= 1
        item = _mac_frame(b"".join(parts), 0)
        raw = octets[begin:at]
        pause = raw[-len(phy.PAUSE) :]
        fields = {"slots": len(parts), "frame_indicator": raw[4:6].hex(), "pause": pause.hex()}
        if item.layers and len(parts) == 1:
            item.layers[0].offset = 6
        item.layers.insert(0, Layer("sfsk-phy", begin, raw, fields))
        frames.append(item)
        if item.error is not None:
            break
    return frames


# --- above the MAC layer ---------------------------------------------------------------------------------------


def llc_layer(octets: bytes, offset: int) -> tuple[Layer, llc.LlcData]:
    """Return the layer of an IEC 61334-4-32 header and what it carries. Raises `DecodeError`."""
    data = llc.parse(octets)
    fields = {
        "standard": "IEC 61334-4-32",
        "control": f"{octets[0]:02x}",
        "dsap": data.destination,
        "ssap": data.source,
    }
    return Layer("sfsk-llc", offset, octets, fields), data


def is_ciase(octets: bytes) -> bool:
    """Whether `octets` begin with the tag of a PDU of CIASE."""
    return bool(octets) and octets[0] in _CIASE_TAGS


def ciase_layer(octets: bytes, offset: int) -> Layer:
    """Return the layer of a PDU of CIASE. Raises `DecodeError`."""
    pdu = ciase.parse(octets)
    return Layer("ciase", offset, octets, {"pdu": pdu.name, **_ciase_fields(pdu)})


def _ciase_fields(pdu: ciase.CiasePdu) -> dict[str, Any]:
    match pdu:
        case ciase.PingRequest() | ciase.PingResponse():
            return {"system_title": pdu.title.hex()}
        case ciase.Register():
            systems = [{"system_title": s.title.hex(), "mac_address": f"{s.address:03X}"} for s in pdu.systems]
            return {"active_initiator": pdu.initiator.hex(), "new_systems": systems}
        case ciase.Discover():
            return {
                "response_probability": pdu.probability,
                "allowed_time_slots": pdu.time_slots,
                "discover_report_initial_credit": pdu.report_credit,
                "ic_equal_credit": pdu.same_credit,
            }
        case ciase.DiscoverReport():
            return {"system_titles": [title.hex() for title in pdu.titles], "alarm_descriptor": pdu.alarm}
        case ciase.RepeaterCallPdu():
            return {
                "max_adr_mac": pdu.max_address,
                "nb_tslot_for_new": pdu.new_slots,
                "reception_threshold": pdu.threshold_dbuv,
            }
        case ciase.ClearAlarm():
            pairs = [{"system_title": s.title.hex(), "alarm_descriptor": s.alarm} for s in pdu.systems]
            titles = [title.hex() for title in pdu.titles]
            return {"alarm_descriptors": list(pdu.alarms), "system_titles": titles, "systems": pairs}

"""The explainer: tries what octets can be, from the outermost frame inwards, and explains them layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cosem.apdu import parse
from cosem.apdu.general import IdentifiedKey
from cosem.apdu.habits import habits
from cosem.codec import axdr
from cosem.errors import DecodeError, IncompleteError
from cosem.explain.apdus import CONTEXTS, MECHANISMS, TABLE, explain_service, general_header, key_info
from cosem.explain.frames import (
    Carrier,
    gateway_layer,
    hdlc_carriers,
    is_gateway,
    is_llc,
    llc_fields,
    looks_like_mbus,
    mbus_carriers,
    wrapper_carriers,
)
from cosem.explain.keyring import Keyring
from cosem.explain.power_line import LineFrame, ciase_layer, is_ciase, line_frames, llc_layer, looks_like_sfsk
from cosem.explain.protection import Opened, open_content
from cosem.explain.tree import Explained, Explanation, Failure, Layer, Value
from cosem.pushes.p1 import is_p1, parse_p1
from cosem.results import AcseServiceProvider, AcseServiceUser, AssociationResult
from cosem.security.title import SystemTitle

if TYPE_CHECKING:
    from cosem.explain.mbus_layers import MeterLayers

_CIPHERED_INITIATES = frozenset({0x21, 0x28, 0x2E, 0x41, 0x48, 0x4E})
"""glo- and ded- forms of the initiate PDUs and of the service error that may stand in their place."""

_RADIO = frozenset((b"\x08", b"\x44", b"\x46", b"\x47", b"\x48"))
"""C fields of what meters send by wireless M-Bus."""

MAX_DEPTH = 8
"""Layers of protection and transport inside each other; real telegrams have four at the most."""

_RESPONSE_TAGS = frozenset({0x28, 0x2C, 0x2D, 0x2E, 0x48, 0x4C, 0x4D, 0x4E, 0xCC, 0xCD, 0xCF, 0xD4, 0xD5, 0xD7})
_RESPONSE_TAGS |= {0xCA, 0xD2, 0x38, 0x58}  # notifications come from the meter, too


def explain(
    octets: bytes, *, keyring: Keyring | None = None, kind: str | None = None, country: str | None = None
) -> Explanation:
    """Explain `octets`, which may hold several frames. Never raises for octets: what went wrong is in the answer.

    `kind` names the outermost layer (one of `KINDS`); without it the readings are tried in the order of `KINDS`
    and the first that explains every octet wins. `country` (two letters) tells layouts of pushes apart that look alike.
    """
    answer = _explain(octets, keyring or Keyring(), kind)
    answer.country = country
    return answer


def _explain(octets: bytes, keyring: Keyring, kind: str | None) -> Explanation:
    if kind is not None:
        return KINDS[kind](octets, keyring)
    if not octets:
        return Explanation([], Failure("no octets", 0, "input"))
    best: Explanation | None = None
    for name, reading in KINDS.items():
        if not _LOOKS_LIKE[name](octets):
            continue
        # Keys learnt in a reading that fails must not leak into the next one.
        tried = keyring.copy()
        answer = reading(octets, tried)
        if answer.ok:
            keyring.learn(tried)
            return answer
        if best is None or _understood(answer) > _understood(best):
            best = answer
    if octets[1:2] in _RADIO:
        # Last, because an L that fits is no proof: nothing else explains these octets.
        from cosem.explain.mbus_layers import explain_wireless

        answer = explain_wireless(octets, keyring)
        if answer.frames[0].layers:
            return answer
    return best or Explanation([], Failure("this is no frame, APDU or value that is known", 0, "input"))


def _understood(answer: Explanation) -> int:
    return sum(len(frame.layers) for frame in answer.frames)


# --- frames ----------------------------------------------------------------------------------------------------


def _explain_hdlc(octets: bytes, keyring: Keyring) -> Explanation:
    return _explain_carriers(hdlc_carriers(octets), keyring, "hdlc")


def _explain_mbus(octets: bytes, keyring: Keyring) -> Explanation:
    return _explain_carriers(mbus_carriers(octets), keyring, "mbus-link")


def _explain_wrapper(octets: bytes, keyring: Keyring) -> Explanation:
    return _explain_carriers(wrapper_carriers(octets), keyring, "wrapper")


_ENDS = ("src", "dst", "SA", "DA", "ssap", "dsap")
"""Fields that say between whom a frame goes."""


class _Blocks:
    """General block transfers under way, by the addresses they go between; repeats are passed over."""

    def __init__(self) -> None:
        self._parts: dict[str, list[bytes]] = {}

    def add(self, key: str, fields: dict[str, Any]) -> bytes | None:
        """Take a block; return the whole APDU with the last one. Raises `DecodeError` for a block that is missing."""
        parts = self._parts.setdefault(key, [])
        number, data = fields["block_number"], bytes.fromhex(fields["block_data"])
        if number == len(parts) and parts and parts[-1] == data:
            return None
        if number != len(parts) + 1:
            self._parts.pop(key)
            raise DecodeError(f"block {number} where {len(parts) + 1} was expected", 0)
        parts.append(data)
        return b"".join(self._parts.pop(key)) if fields["last"] else None

    @property
    def incomplete(self) -> bool:
        """Whether blocks are still missing."""
        return any(self._parts.values())


def _explain_carriers(carriers: list[Carrier], keyring: Keyring, layer: str) -> Explanation:
    frames = []
    blocks = _Blocks()
    meters: MeterLayers | None = None
    for carrier in carriers:
        explained = Explained()
        if carrier.layer is not None:
            explained.layers.append(carrier.layer)
        if carrier.inner is not None:
            explained.layers.append(carrier.inner)
        if carrier.error is not None:
            explained.fail(carrier.error, layer)
        elif carrier.telegram is not None:
            from cosem.explain.mbus_layers import MeterLayers  # only where a meter's telegram is met

            meters = meters or MeterLayers(keyring)
            meters.append(explained, carrier.telegram)
        elif carrier.payload is not None:
            _explain_carried_into(explained, carrier, carrier.payload, keyring)
            _join_blocks(explained, blocks, keyring)
        frames.append(explained)
    if not frames:
        return Explanation([], Failure("no frame in these octets", 0, layer, incomplete=True))
    if blocks.incomplete and frames[-1].error is None:
        _still_missing(frames[-1])
    return Explanation(frames)


def _explain_carried_into(explained: Explained, carrier: Carrier, payload: bytes, keyring: Keyring) -> None:
    """Append what stands in a frame."""
    offset = carrier.payload_offset
    if carrier.has_llc:
        _explain_llc_into(explained, payload, offset, keyring, manages=carrier.manages)
    elif carrier.manages:
        _explain_ciase_into(explained, payload, offset)
    else:
        _explain_payload_into(explained, payload, offset, keyring)


def _join_blocks(explained: Explained, blocks: _Blocks, keyring: Keyring) -> None:
    """If a frame ends a general block transfer, explain what was transferred."""
    last = explained.layers[-1]
    if explained.error is not None or last.name != "general-block-transfer":
        return
    ends = [layer.fields[name] for layer in explained.layers for name in _ENDS if name in layer.fields]
    try:
        whole = blocks.add(str(ends), last.fields)
    except DecodeError as error:
        explained.fail(error, last.name, last.octets)
        return
    if whole is not None:
        _explain_apdu_into(explained, whole, 0, keyring, 1)


def _still_missing(last: Explained) -> None:
    last.fail(IncompleteError("blocks are still missing", 0), "general-block-transfer", last.layers[-1].octets)


def _explain_llc_into(
    explained: Explained, octets: bytes, offset: int, keyring: Keyring, *, manages: bool = False
) -> None:
    explained.layers.append(Layer("llc", offset, octets, llc_fields(octets)))
    if manages:
        _explain_ciase_into(explained, octets[3:], 3)
    else:
        _explain_payload_into(explained, octets[3:], 3, keyring)


def _explain_ciase_into(explained: Explained, octets: bytes, offset: int) -> None:
    try:
        explained.layers.append(ciase_layer(octets, offset))
    except DecodeError as error:
        explained.fail(error, "ciase", octets)


def _explain_payload_into(explained: Explained, octets: bytes, offset: int, keyring: Keyring) -> None:
    """Append what a frame carries: an APDU, perhaps behind the prefix of a gateway."""
    if is_gateway(octets):
        try:
            layer, end = gateway_layer(octets, offset)
        except DecodeError as error:
            explained.fail(error, "gateway", octets)
            return
        explained.layers.append(layer)
        octets, offset = octets[end:], end
    _explain_apdu_into(explained, octets, offset, keyring, 0)


def _explain_gateway(octets: bytes, keyring: Keyring) -> Explanation:
    explained = Explained()
    if not is_gateway(octets):
        return Explanation([explained.fail(DecodeError("no gateway prefix (E6 or E7)", 0), "gateway")])
    _explain_payload_into(explained, octets, 0, keyring)
    return Explanation([explained])


def _explain_llc(octets: bytes, keyring: Keyring) -> Explanation:
    explained = Explained()
    if not is_llc(octets):
        return Explanation([explained.fail(DecodeError("no LLC header E6 E6 00 or E6 E7 00", 0), "llc")])
    _explain_llc_into(explained, octets, 0, keyring)
    return Explanation([explained])


def _explain_sfsk_mac(octets: bytes, keyring: Keyring) -> Explanation:
    frames = []
    blocks = _Blocks()
    for item in line_frames(octets):
        explained = Explained(list(item.layers))
        if item.error is not None:
            explained.fail(item.error, "sfsk-mac")
        else:
            _explain_m_sdu_into(explained, item, keyring)
            _join_blocks(explained, blocks, keyring)
        frames.append(explained)
    if not frames:
        return Explanation([], Failure("no frame in these octets", 0, "sfsk-mac", incomplete=True))
    if blocks.incomplete and frames[-1].error is None:
        _still_missing(frames[-1])
    return Explanation(frames)


def _explain_m_sdu_into(explained: Explained, item: LineFrame, keyring: Keyring) -> None:
    """Append what a MAC frame carries: the first octet tells which LLC that is."""
    if item.m_sdu[:1] != b"\x7e":
        _explain_sfsk_llc_into(explained, item.m_sdu, item.offset, keyring)
        return
    carriers = hdlc_carriers(item.m_sdu)
    if len(carriers) != 1:
        explained.fail(DecodeError(f"{len(carriers)} frames in one M_sdu", 0), "hdlc", item.m_sdu)
        return
    carrier = carriers[0]
    if carrier.layer is not None:
        carrier.layer.offset += item.offset
        explained.layers.append(carrier.layer)
    if carrier.error is not None:
        explained.fail(carrier.error, "hdlc", item.m_sdu)
    elif carrier.payload is not None:
        _explain_carried_into(explained, carrier, carrier.payload, keyring)


def _explain_sfsk_llc(octets: bytes, keyring: Keyring) -> Explanation:
    explained = Explained()
    _explain_sfsk_llc_into(explained, octets, 0, keyring)
    return Explanation([explained])


def _explain_sfsk_llc_into(explained: Explained, octets: bytes, offset: int, keyring: Keyring) -> None:
    try:
        layer, data = llc_layer(octets, offset)
    except DecodeError as error:
        explained.fail(error, "sfsk-llc", octets)
        return
    explained.layers.append(layer)
    if data.is_ciase and is_ciase(data.sdu):
        _explain_ciase_into(explained, data.sdu, 3)
    else:
        _explain_apdu_into(explained, data.sdu, 3, keyring, 0)


# --- APDUs -----------------------------------------------------------------------------------------------------


def _explain_apdu(octets: bytes, keyring: Keyring) -> Explanation:
    explained = Explained()
    _explain_apdu_into(explained, octets, 0, keyring, 0)
    return Explanation([explained])


def _explain_apdu_into(explained: Explained, octets: bytes, offset: int, keyring: Keyring, depth: int) -> None:
    """Append the layers of one APDU to `explained`, protection opened where a key fits."""
    if depth > MAX_DEPTH:
        explained.fail(DecodeError(f"more than {MAX_DEPTH} layers inside each other", offset), "apdu")
        return
    try:
        invoke, service = parse(octets)
        if service.service in _NESTED:
            _NESTED[service.service](explained, octets, offset, service, keyring, depth)
            return
        if service.service not in TABLE:
            # Protected forms share one shape: a header, perhaps a title in front of it.
            _explain_protected(explained, octets, offset, service, keyring, depth)
            return
        fields, value, data = explain_service(invoke, service)
    except DecodeError as error:
        explained.fail(error, "apdu", octets)
        return
    if needed := habits(octets, service):
        fields["tolerances"] = list(needed)
    explained.layers.append(Layer(service.service, offset, octets, fields))
    explained.value = value
    explained.data = data
    if service.service == "initiate-request" and service.dedicated_key is not None:
        keyring.dedicated = service.dedicated_key


def _explain_protected(
    explained: Explained, octets: bytes, offset: int, service: Any, keyring: Keyring, depth: int
) -> None:
    title = getattr(service, "system_title", None)
    dedicated = service.service == "general-ded-ciphering" or service.service.startswith("ded-")
    opened = open_content(
        service.content,
        keyring,
        title=title,
        request=octets[0] not in _RESPONSE_TAGS and title is None,
        dedicated=dedicated,
    )
    fields: dict[str, Any] = {} if title is None else _title_fields(title)
    _append_opened(
        explained, Layer(service.service, offset, octets, {**fields, **opened.fields}), opened, keyring, depth
    )


def _title_fields(title: bytes) -> dict[str, Any]:
    """Return a system title, with the manufacturer its first three octets name."""
    fields: dict[str, Any] = {"system_title": title.hex()}
    if len(title) == 8 and (maker := SystemTitle(title).manufacturer) is not None:
        fields["manufacturer"] = maker
    return fields


def _append_opened(explained: Explained, layer: Layer, opened: Opened, keyring: Keyring, depth: int) -> None:
    layer.fields["verified"] = opened.verified
    explained.layers.append(layer)
    if opened.problem is not None:
        explained.fail(DecodeError(opened.problem, 0), layer.name, layer.octets)
    if opened.plain is not None:
        layer.fields["plain_hex"] = opened.plain.hex()
        if is_p1(opened.plain):
            _explain_p1(explained, opened.plain)
        else:
            _explain_apdu_into(explained, opened.plain, 0, keyring, depth + 1)


def _explain_p1_alone(octets: bytes, keyring: Keyring) -> Explanation:
    explained = Explained()
    _explain_p1(explained, octets)
    return Explanation([explained])


def _explain_p1(explained: Explained, octets: bytes) -> None:
    try:
        telegram = parse_p1(octets)
    except DecodeError as error:
        explained.fail(error, "p1", octets)
        return
    explained.layers.append(Layer("p1", 0, octets, {"crc_ok": telegram.crc_ok}))
    explained.value = axdr.visible_string(telegram.text)
    if telegram.crc_ok is False:
        explained.fail(DecodeError("the check sum is wrong", len(octets)), "p1", octets)


# --- ACSE ------------------------------------------------------------------------------------------------------


def _explain_acse(explained: Explained, octets: bytes, offset: int, service: Any, keyring: Keyring, depth: int) -> None:
    fields = _acse_fields(service)
    keyring.client_title = getattr(service, "calling_ap_title", None) or keyring.client_title
    keyring.server_title = getattr(service, "responding_ap_title", None) or keyring.server_title
    explained.layers.append(Layer(service.service, offset, octets, fields))
    inner: bytes | None = service.user_information
    if inner is None:
        return
    at = octets.rfind(inner)
    # Where the APDU names the title of its sender, that title opens the initiate PDU inside.
    title = getattr(service, "calling_ap_title", None) or getattr(service, "responding_ap_title", None)
    if inner[0] in _CIPHERED_INITIATES and title:
        _explain_ciphered_initiate(explained, inner, at, title, keyring, depth)
    else:
        _explain_apdu_into(explained, inner, at, keyring, depth + 1)


def _explain_ciphered_initiate(
    explained: Explained, inner: bytes, at: int, title: bytes, keyring: Keyring, depth: int
) -> None:
    try:
        _, service = parse(inner)
        opened = open_content(
            service.content,
            keyring,
            title=title,
            request=inner[0] in (0x21, 0x41),
            dedicated=service.service.startswith("ded-"),
        )
    except DecodeError as error:
        explained.fail(error, "apdu", inner)
        return
    _append_opened(explained, Layer(service.service, at, inner, dict(opened.fields)), opened, keyring, depth)


def _acse_fields(service: Any) -> dict[str, Any]:
    """Return what an ACSE APDU says, leaving out what it does not carry."""
    fields: dict[str, Any] = {}
    for name in _ACSE_PLAIN:
        item = getattr(service, name, None)
        if item is None:
            continue
        if name == "auth_choice":
            # The form of a value that is not there says nothing.
            if service.auth_value is not None:
                fields[name] = f"{item:02x}"
            continue
        fields[name] = item.hex() if isinstance(item, (bytes, bytearray)) else item
    if (context := getattr(service, "context", None)) is not None:
        fields["context"] = _named(CONTEXTS, context)
    if (mechanism := getattr(service, "mechanism", None)) is not None:
        fields["mechanism"] = _named(MECHANISMS, mechanism)
    if (result := getattr(service, "result", None)) is not None:
        source = service.diagnostic_source
        words = (AcseServiceProvider if source == "provider" else AcseServiceUser).words(service.diagnostic)
        fields |= {
            "result": int(result),
            "result_words": AssociationResult.words(result),
            "diagnostic_source": source,
            "diagnostic": int(service.diagnostic),
            "diagnostic_words": words,
        }
    if (reason := getattr(service, "reason", None)) is not None:
        fields["reason"] = int(reason)
    return fields


def _named(names: dict[int, str], value: int | bytes) -> Any:
    """Return the name of the last arc of an object identifier; a foreign one is shown as its octets."""
    return value.hex() if isinstance(value, bytes) else names.get(value, value)


_ACSE_PLAIN = (
    "protocol_version",
    "called_ap_title",
    "called_ae_qualifier",
    "called_ap_invocation_id",
    "called_ae_invocation_id",
    "calling_ap_title",
    "calling_ae_qualifier",
    "calling_ap_invocation_id",
    "calling_ae_invocation_id",
    "responding_ap_title",
    "responding_ae_qualifier",
    "responding_ap_invocation_id",
    "responding_ae_invocation_id",
    "sender_acse_requirements",
    "responder_acse_requirements",
    "auth_choice",
    "auth_value",
    "implementation_information",
)


def _explain_service_error(
    explained: Explained, octets: bytes, offset: int, service: Any, keyring: Keyring, depth: int
) -> None:
    fields = {
        "of": service.service_name,
        "error_class": service.error_class_name,
        "error": int(service.error),
        "words": service.error_name,
    }
    explained.layers.append(Layer(service.service, offset, octets, fields))


def _explain_general_ciphering(
    explained: Explained, octets: bytes, offset: int, service: Any, keyring: Keyring, depth: int
) -> None:
    # The cryptography of agreed and wrapped keys comes later; an identified key is the ordinary global one.
    fields = {**general_header(service), "key_info": key_info(service.key_info)}
    known = keyring if isinstance(service.key_info, IdentifiedKey) or service.key_info is None else Keyring()
    opened = open_content(service.content, known, title=service.originator or None, request=False)
    layer = Layer(service.service, offset, octets, {**fields, **opened.fields})
    _append_opened(explained, layer, opened, keyring, depth)


def _explain_general_signing(
    explained: Explained, octets: bytes, offset: int, service: Any, keyring: Keyring, depth: int
) -> None:
    fields = {
        **general_header(service),
        "content": service.content.hex(),
        "signature": service.signature.hex(),
        "verified": None,
    }
    explained.layers.append(Layer(service.service, offset, octets, fields))
    _explain_apdu_into(explained, service.content, octets.find(service.content), keyring, depth + 1)


_NESTED: dict[str, Callable[[Explained, bytes, int, Any, Keyring, int], None]] = {
    "aarq": _explain_acse,
    "aare": _explain_acse,
    "rlrq": _explain_acse,
    "rlre": _explain_acse,
    "confirmed-service-error": _explain_service_error,
    "general-ciphering": _explain_general_ciphering,
    "general-signing": _explain_general_signing,
}


# --- values ----------------------------------------------------------------------------------------------------


def _explain_data(octets: bytes, keyring: Keyring) -> Explanation:
    explained = Explained()
    try:
        value: Value = axdr.decode(octets)
    except DecodeError as error:
        return Explanation([explained.fail(error, "data")])
    explained.value = value
    explained.data = octets
    return Explanation([explained])


KINDS: dict[str, Callable[[bytes, Keyring], Explanation]] = {
    "hdlc": _explain_hdlc,
    "mbus": _explain_mbus,
    "wrapper": _explain_wrapper,
    "llc": _explain_llc,
    "sfsk-mac": _explain_sfsk_mac,
    "sfsk-llc": _explain_sfsk_llc,
    "gateway": _explain_gateway,
    "p1": _explain_p1_alone,
    "apdu": _explain_apdu,
    "data": _explain_data,
}
"""Readings by the name of their outermost layer, in the order they are tried."""

_LOOKS_LIKE: dict[str, Callable[[bytes], bool]] = {
    # A flag anywhere: captures start in the middle of a frame or with noise.
    "hdlc": lambda octets: b"\x7e" in octets,
    "mbus": looks_like_mbus,
    "wrapper": lambda octets: octets[:2] == b"\x00\x01",
    "llc": is_llc,
    "sfsk-mac": looks_like_sfsk,
    "sfsk-llc": lambda octets: octets[0] == 0x90,
    "gateway": is_gateway,
    "p1": is_p1,
    "apdu": lambda octets: True,
    "data": lambda octets: True,
}

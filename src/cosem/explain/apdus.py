"""The fields of every APDU under neutral names, as ``cosem decode --json`` prints them.

One function per service, in one table; what is missing from the table prints its tag only and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cosem.apdu.base import AttributeDescriptor, MethodDescriptor, SelectiveAccess
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.codec.json import to_json
from cosem.conformance_block import Conformance
from cosem.explain.tree import Value
from cosem.results import ExceptionServiceError, ExceptionStateError
from cosem.times import CosemDateTime

CONTEXTS = {1: "LN", 2: "SN", 3: "LN-ciphered", 4: "SN-ciphered"}
MECHANISMS = {
    0: "none",
    1: "LLS",
    2: "HLS-manufacturer",
    3: "HLS-MD5",
    4: "HLS-SHA1",
    5: "HLS-GMAC",
    6: "HLS-SHA256",
    7: "HLS-ECDSA",
}

Fields = dict[str, Any]
Answer = tuple[Fields, Value, bytes | None]


def invoke_fields(invoke: int) -> Fields:
    """Explain Invoke-Id-And-Priority (one octet; Green Book 9.5)."""
    return {
        "raw": f"{invoke:02x}",
        "id": invoke & 0x0F,
        "self_descriptive": bool(invoke & 0x10),
        "processing": "break" if invoke & 0x20 else "continue",
        "confirmed": bool(invoke & 0x40),
        "high_priority": bool(invoke & 0x80),
    }


def long_invoke_fields(invoke: int) -> Fields:
    """Explain Long-Invoke-Id-And-Priority (four octets; Green Book 9.5)."""
    return {
        "raw": f"{invoke:08x}",
        "id": invoke & 0xFFFFFF,
        "self_descriptive": bool(invoke & 0x1000_0000),
        "break_on_error": bool(invoke & 0x2000_0000),
        "confirmed": bool(invoke & 0x4000_0000),
        "high_priority": bool(invoke & 0x8000_0000),
    }


def date_time_field(octets: bytes | None) -> Any:
    """Return a date-time as hex with its reading beside it, or None where it is not given."""
    if not octets:
        return None
    if len(octets) != 12:
        return octets.hex()
    return {"raw": octets.hex(), "date_time": CosemDateTime.from_octets(octets).isoformat()}


def _data(octets: bytes) -> Data:
    return axdr.decode(octets)


def _attribute(target: AttributeDescriptor, selection: SelectiveAccess | None = None) -> Fields:
    return {
        "class": target.class_id,
        "obis": str(target.instance),
        "attribute": target.attribute,
        "access_selection": None
        if selection is None
        else {"selector": selection.selector, "parameters": to_json(_data(selection.parameters))},
    }


def _method(target: MethodDescriptor) -> Fields:
    return {"class": target.class_id, "obis": str(target.instance), "method": target.method}


def _block(block: Any) -> Fields:
    return {"last": block.last, "number": block.number, "raw": block.raw.hex()}


def _result_or_data(item: Any) -> tuple[Fields, Any]:
    if isinstance(item, (bytes, bytearray, memoryview)):
        value = _data(bytes(item))
        return {"data": to_json(value)}, value
    return {"data-access-result": int(item)}, {"data-access-result": int(item)}


def _get_request(s: Any) -> Answer:
    return _attribute(s.target, s.selection), None, None


def _get_request_next(s: Any) -> Answer:
    return {"block_number": s.block_number}, None, None


def _get_request_list(s: Any) -> Answer:
    return {"list": [_attribute(*item) for item in s.targets]}, None, None


def _get_response(s: Any) -> Answer:
    if s.data is None:
        return {"result": {"data-access-result": int(s.result)}}, None, None
    value = _data(s.data)
    return {"result": {"data": to_json(value)}}, value, s.data


def _get_response_block(s: Any) -> Answer:
    fields: Fields = {"last": s.last, "block_number": s.block_number}
    if s.raw is None:
        fields["data-access-result"] = int(s.result)
    else:
        fields["raw"] = s.raw.hex()
    return fields, None, None


def _get_response_list(s: Any) -> Answer:
    pairs = [_result_or_data(item) for item in s.results]
    return {"results": [fields for fields, _ in pairs]}, [value for _, value in pairs], None


def _set_request(s: Any) -> Answer:
    value = _data(s.data)
    return {**_attribute(s.target, s.selection), "value": to_json(value)}, value, s.data


def _set_request_first(s: Any) -> Answer:
    return {**_attribute(s.target, s.selection), "block": _block(s.block)}, None, None


def _request_block(s: Any) -> Answer:
    return {"block": _block(s.block)}, None, None


def _set_request_list(s: Any) -> Answer:
    values = [_data(item) for item in s.values]
    fields = {"list": [_attribute(*item) for item in s.targets], "values": [to_json(value) for value in values]}
    return fields, list(values), None


def _set_request_list_first(s: Any) -> Answer:
    return {"list": [_attribute(*item) for item in s.targets], "block": _block(s.block)}, None, None


def _result(s: Any) -> Answer:
    return {"result": int(s.result)}, None, None


def _block_number(s: Any) -> Answer:
    return {"block_number": s.block_number}, None, None


def _set_response_last(s: Any) -> Answer:
    return {"result": int(s.result), "block_number": s.block_number}, None, None


def _set_response_last_list(s: Any) -> Answer:
    return {"results": [int(r) for r in s.results], "block_number": s.block_number}, None, None


def _set_response_list(s: Any) -> Answer:
    return {"results": [int(r) for r in s.results]}, None, None


def _action_request(s: Any) -> Answer:
    value = None if s.data is None else _data(s.data)
    return {**_method(s.target), "parameters": None if value is None else to_json(value)}, value, s.data


def _action_request_list(s: Any) -> Answer:
    values = [_data(item) for item in s.parameters]
    fields = {"list": [_method(item) for item in s.targets], "parameters": [to_json(value) for value in values]}
    return fields, list(values), None


def _action_request_first(s: Any) -> Answer:
    return {**_method(s.target), "block": _block(s.block)}, None, None


def _action_request_list_first(s: Any) -> Answer:
    return {"list": [_method(item) for item in s.targets], "block": _block(s.block)}, None, None


def _action_return(s: Any) -> tuple[Any, Any]:
    if s.data is not None:
        return _result_or_data(s.data)
    if s.data_result is not None:
        return _result_or_data(s.data_result)
    return None, None


def _action_response(s: Any) -> Answer:
    returned, value = _action_return(s)
    return (
        {"result": int(s.result), "return": returned},
        value if isinstance(value, Data) else None,
        s.data,
    )


def _action_response_list(s: Any) -> Answer:
    pairs = [(item, *_action_return(item)) for item in s.results]
    fields = {"results": [{"result": int(item.result), "return": returned} for item, returned, _ in pairs]}
    values = [value for _, _, value in pairs]
    return fields, values if any(isinstance(value, Data) for value in values) else None, None


def _data_notification(s: Any) -> Answer:
    value = _data(s.data)
    return {"date_time": date_time_field(s.date_time), "body": to_json(value)}, value, s.data


def _event_notification(s: Any) -> Answer:
    value = _data(s.data)
    target = {key: item for key, item in _attribute(s.target).items() if key != "access_selection"}
    return {"time": date_time_field(s.time), **target, "value": to_json(value)}, value, s.data


def _exception(s: Any) -> Answer:
    fields: Fields = {
        "state_error": int(s.state_error),
        "service_error": int(s.service_error),
        "words": f"{ExceptionStateError.words(s.state_error)}, {ExceptionServiceError.words(s.service_error)}",
    }
    if s.invocation_counter is not None:
        fields["invocation_counter"] = s.invocation_counter
    return fields, None, None


def _initiate_request(s: Any) -> Answer:
    # A dedicated key is shown: it is what the octets say, and whoever could open them has it already.
    return (
        {
            "dedicated_key": None if s.dedicated_key is None else s.dedicated_key.hex(),
            "response_allowed": s.response_allowed,
            "proposed_qos": s.proposed_qos,
            "proposed_dlms_version": s.proposed_dlms_version,
            "conformance": list(Conformance(s.conformance).names),
            "client_max_receive_pdu_size": s.client_max_receive_pdu_size,
        },
        None,
        None,
    )


def _initiate_response(s: Any) -> Answer:
    return (
        {
            "negotiated_qos": s.negotiated_qos,
            "negotiated_dlms_version": s.negotiated_dlms_version,
            "conformance": list(Conformance(s.conformance).names),
            "server_max_receive_pdu_size": s.server_max_receive_pdu_size,
            "vaa_name": s.vaa_name,
        },
        None,
        None,
    )


# --- short names -----------------------------------------------------------------------------------------------


def _spec(spec: Any) -> Fields:
    kind = type(spec).__name__
    if kind == "VariableName":
        return {"variable-name": spec.name}
    if kind == "ParameterizedAccess":
        parameter = to_json(_data(spec.parameter))
        return {"parameterized-access": {"variable-name": spec.name, "selector": spec.selector, "parameter": parameter}}
    if kind == "BlockNumberAccess":
        return {"block-number-access": spec.block_number}
    if kind == "ReadDataBlockAccess":
        return {"read-data-block-access": {"last": spec.last, "number": spec.block_number, "raw": spec.raw.hex()}}
    return {"write-data-block-access": {"last": spec.last, "number": spec.block_number}}


def _read_request(s: Any) -> Answer:
    return {"specs": [_spec(spec) for spec in s.specs]}, None, None


def _write_request(s: Any) -> Answer:
    values = [_data(item) for item in s.values]
    fields = {"specs": [_spec(spec) for spec in s.specs], "data": [to_json(value) for value in values]}
    return fields, list(values), None


def _information_report(s: Any) -> Answer:
    fields, value, data = _write_request(s)
    time = None if s.time is None else s.time.decode("latin-1")
    return {"time": time, **fields}, value, data


def _sn_result(item: Any) -> tuple[Fields, Any]:
    if isinstance(item, bytes):
        value = _data(item)
        return {"data": to_json(value)}, value
    if isinstance(item, int):
        return {"data-access-error": int(item)}, {"data-access-error": int(item)}
    if hasattr(item, "raw"):
        block = {"data-block-result": {"last": item.last, "number": item.number, "raw": item.raw.hex()}}
        return block, None
    return {"block-number": item.number}, None


def _read_response(s: Any) -> Answer:
    pairs = [_sn_result(item) for item in s.results]
    values = [value for _, value in pairs]
    if not any(value is not None for value in values):
        return {"results": [fields for fields, _ in pairs]}, None, None
    return {"results": [fields for fields, _ in pairs]}, values, None


def _write_response(s: Any) -> Answer:
    results = [{"success": None} if item == 0 else _sn_result(item)[0] for item in s.results]
    return {"results": results}, None, None


# --- ACCESS, general services ----------------------------------------------------------------------------------

_ACCESS_KINDS = {1: "get", 2: "set", 3: "action", 4: "get-with-selection", 5: "set-with-selection"}


def _access_spec(spec: Any) -> Fields:
    if spec.kind == 3:
        return {"action": _method(spec.target)}
    target = {"class": spec.target.class_id, "obis": str(spec.target.instance), "attribute": spec.target.attribute}
    if spec.selection is None:
        return {_ACCESS_KINDS[spec.kind]: target}
    parameters = to_json(_data(spec.selection.parameters))
    return {_ACCESS_KINDS[spec.kind]: [target, {"selector": spec.selection.selector, "parameters": parameters}]}


def _access_request(s: Any) -> Answer:
    values = [_data(item) for item in s.values]
    fields = {
        "date_time": date_time_field(s.date_time),
        "specs": [_access_spec(spec) for spec in s.specs],
        "data": [to_json(value) for value in values],
    }
    return fields, list(values), None


def _access_response(s: Any) -> Answer:
    values = [_data(item) for item in s.values]
    fields = {
        "date_time": date_time_field(s.date_time),
        "specs": None if s.specs is None else [_access_spec(spec) for spec in s.specs],
        "data": [to_json(value) for value in values],
        "results": [{_ACCESS_KINDS[item.kind]: int(item.result)} for item in s.results],
    }
    return fields, list(values), None


def _block_transfer(s: Any) -> Answer:
    return (
        {
            "last": s.last,
            "streaming": s.streaming,
            "window": s.window,
            "block_number": s.block_number,
            "block_number_ack": s.block_number_ack,
            "block_data": s.block_data.hex(),
        },
        None,
        None,
    )


def _confirm(s: Any) -> Answer:
    return {"date_time": date_time_field(s.date_time)}, None, None


def general_header(s: Any) -> Fields:
    """Return the header that general-ciphering and general-signing share."""
    return {
        "transaction_id": s.transaction_id.hex(),
        "originator": s.originator.hex(),
        "recipient": s.recipient.hex(),
        "date_time": s.date_time.hex(),
        "other_information": s.other_information.hex(),
    }


def key_info(key: Any) -> Fields | None:
    """Explain which key protects a general-ciphering APDU."""
    if key is None:
        return None
    if hasattr(key, "key_id"):
        return {"identified-key": key.key_id}
    data = key.key_ciphered_data.hex()
    if hasattr(key, "kek_id"):
        return {"wrapped-key": {"kek_id": key.kek_id, "key_ciphered_data": data}}
    return {"agreed-key": {"key_parameters": key.key_parameters.hex(), "key_ciphered_data": data}}


TABLE: dict[str, Callable[[Any], Answer]] = {
    "read-request": _read_request,
    "write-request": _write_request,
    "unconfirmed-write-request": _write_request,
    "information-report-request": _information_report,
    "read-response": _read_response,
    "write-response": _write_response,
    "access-request": _access_request,
    "access-response": _access_response,
    "data-notification-confirm": _confirm,
    "general-block-transfer": _block_transfer,
    "get-request-normal": _get_request,
    "get-request-next": _get_request_next,
    "get-request-with-list": _get_request_list,
    "get-response-normal": _get_response,
    "get-response-with-datablock": _get_response_block,
    "get-response-with-list": _get_response_list,
    "set-request-normal": _set_request,
    "set-request-with-first-datablock": _set_request_first,
    "set-request-with-datablock": _request_block,
    "set-request-with-list": _set_request_list,
    "set-request-with-list-and-first-datablock": _set_request_list_first,
    "set-response-normal": _result,
    "set-response-datablock": _block_number,
    "set-response-last-datablock": _set_response_last,
    "set-response-last-datablock-with-list": _set_response_last_list,
    "set-response-with-list": _set_response_list,
    "action-request-normal": _action_request,
    "action-request-next-pblock": _block_number,
    "action-request-with-list": _action_request_list,
    "action-request-with-first-pblock": _action_request_first,
    "action-request-with-list-and-first-pblock": _action_request_list_first,
    "action-request-with-pblock": _request_block,
    "action-response-normal": _action_response,
    "action-response-with-pblock": _request_block,
    "action-response-with-list": _action_response_list,
    "action-response-next-pblock": _block_number,
    "data-notification": _data_notification,
    "event-notification-request": _event_notification,
    "exception-response": _exception,
    "initiate-request": _initiate_request,
    "initiate-response": _initiate_response,
}

LONG_INVOKE = frozenset({"data-notification", "data-notification-confirm", "access-request", "access-response"})


def explain_service(invoke: int | None, service: Any) -> Answer:
    """Return the fields of a plain service, its value, and the value's octets. Raises `DecodeError` for bad data."""
    name = service.service
    fields, value, data = TABLE[name](service)
    if invoke is None:
        return fields, value, data
    if name in LONG_INVOKE:
        return {"long_invoke": long_invoke_fields(invoke), **fields}, value, data
    return {"invoke": invoke_fields(invoke), **fields}, value, data

"""CoAP diagnostic (class 153): what the CoAP layer counts."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.common import attribute_capture_time
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import double_long_unsigned, structure, trigger


class MessagesCounter(NamedTuple):
    """Messages by kind and direction."""

    tx: int = 0
    rx: int = 0
    tx_resend: int = 0
    tx_reset: int = 0
    rx_reset: int = 0
    tx_ack: int = 0
    rx_ack: int = 0
    rx_drop: int = 0
    tx_non_piggybacked: int = 0
    max_rtx_exceeded: int = 0


class RequestResponseCounter(NamedTuple):
    """Requests, responses and errors by direction."""

    rx_requests: int = 0
    tx_requests: int = 0
    rx_responses: int = 0
    tx_responses: int = 0
    tx_client_errors: int = 0
    rx_client_errors: int = 0
    tx_server_errors: int = 0
    rx_server_errors: int = 0


class BlockTransferCounter(NamedTuple):
    """Block-wise transfers (RFC 7959)."""

    block_wise_transfer_started: int = 0
    block_wise_transfer_completed: int = 0
    block_wise_transfer_timeout: int = 0


class CoAPDiagnostic(InterfaceClass[S], class_id=153, version=0, name="CoAP diagnostic"):
    """Counters (Blue Book ed. 14). Short name offsets leave the place after the logical name free."""

    messages_counter = attribute(
        2,
        structure(MessagesCounter, **dict.fromkeys(MessagesCounter._fields, double_long_unsigned)),
        "messages",
        default=MessagesCounter(),
        sn_offset=0x10,
    )
    request_response_counter = attribute(
        3,
        structure(RequestResponseCounter, **dict.fromkeys(RequestResponseCounter._fields, double_long_unsigned)),
        "requests and responses",
        default=RequestResponseCounter(),
        sn_offset=0x18,
    )
    coap_bt_counter = attribute(
        4,
        structure(BlockTransferCounter, **dict.fromkeys(BlockTransferCounter._fields, double_long_unsigned)),
        "block-wise transfers",
        default=BlockTransferCounter(),
        sn_offset=0x20,
    )
    capture_time = attribute(5, attribute_capture_time, "which attribute was captured last, and when", sn_offset=0x28)

    reset = method(1, trigger, "sets the counters to 0", sn_offset=0x30)

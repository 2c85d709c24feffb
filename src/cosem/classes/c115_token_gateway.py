"""Token gateway (class 115): takes tokens and says what became of them."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import OpenEnum, array, bit_string, date_time_octets, enum, octet_string, structure


class TokenDelivery(OpenEnum):
    """How the token came."""

    REMOTE = 0
    LOCAL = 1
    MANUAL = 2


class TokenStatusCode(OpenEnum):
    """How far the token came."""

    TOKEN_FORMAT_RESULT_OK = 0
    AUTHENTICATION_RESULT_OK = 1
    VALIDATION_RESULT_OK = 2
    TOKEN_EXECUTION_RESULT_OK = 3
    TOKEN_FORMAT_FAILURE = 4
    AUTHENTICATION_FAILURE = 5
    VALIDATION_FAILURE = 6
    TOKEN_EXECUTION_FAILURE = 7
    TOKEN_RECEIVED_NOT_YET_PROCESSED = 8


class TokenStatus(NamedTuple):
    """What became of the token, and data of the implementation."""

    status_code: TokenStatusCode
    data_value: str = ""


class TokenGateway(InterfaceClass[S], class_id=115, version=0):
    """The last token and its result (Blue Book ed. 12, 4.6.5)."""

    token = attribute(2, octet_string(), "the last token", default=b"")
    token_time = attribute(3, date_time_octets, "when it came")
    token_description = attribute(4, array(octet_string()), "what it is", default=())
    token_delivery_method = attribute(5, enum(TokenDelivery), "how it came")
    token_status = attribute(
        6, structure(TokenStatus, status_code=enum(TokenStatusCode), data_value=bit_string()), "what became of it"
    )

    enter = method(1, octet_string(), "takes a token", optional=False, sn_offset=0x30)

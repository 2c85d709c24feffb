"""Why a session failed, by the type of the error: what a plan does next, and what people read."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from cosem.errors import (
    AccessError,
    AssociationRejected,
    ConfigError,
    ConnectionLost,
    CosemError,
    DecodeError,
    ExceptionResponseReceived,
    ProtocolError,
    SecurityError,
    Timeout,
)


class Reason(StrEnum):
    """Why a device was not read."""

    UNREACHABLE = "unreachable"
    SILENT = "silent"
    REFUSED = "refused"
    AUTHENTICATION = "authentication"
    BUSY = "busy"
    WRONG = "wrong answer"
    NOT_SUPPORTED = "not supported"
    NOT_CONFIGURED = "not configured"
    NO_TIME = "no time left"
    FAULT = "fault of the head-end"
    PARENT = "parent not reached"
    NOT_INSTALLED = "not installed"
    ANOTHER_METER = "another meter on the channel"


AGAIN: Final = frozenset({Reason.UNREACHABLE, Reason.SILENT, Reason.BUSY, Reason.WRONG, Reason.PARENT})
"""What may be gone a while later. The others stay until somebody changes something: asking again only costs."""

_TYPES: Final[tuple[tuple[type[BaseException], Reason], ...]] = (
    (SecurityError, Reason.AUTHENTICATION),
    (AssociationRejected, Reason.REFUSED),
    (ExceptionResponseReceived, Reason.BUSY),
    (Timeout, Reason.SILENT),
    (ConnectionLost, Reason.UNREACHABLE),
    (AccessError, Reason.NOT_SUPPORTED),
    (DecodeError, Reason.WRONG),
    (ProtocolError, Reason.WRONG),
    (ConfigError, Reason.NOT_CONFIGURED),
    (CosemError, Reason.WRONG),
    (OSError, Reason.UNREACHABLE),
)
_AUTHENTICATION_DIAGNOSTICS: Final = frozenset({11, 12, 13, 14})
"""acse-service-user diagnostics that speak of authentication (name not recognised, required, failed)."""


def reason_of(error: BaseException) -> Reason:
    """Return the reason an error stands for."""
    if isinstance(error, AssociationRejected) and error.diagnostic in _AUTHENTICATION_DIAGNOSTICS:
        return Reason.AUTHENTICATION
    return next((reason for kind, reason in _TYPES if isinstance(error, kind)), Reason.FAULT)

"""ExceptionResponse (tag D8) and ConfirmedServiceError (tag 0E): how a server refuses (Green Book 9.4.1, 9.5)."""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, NamedTuple

from cosem.apdu.base import Parsed
from cosem.apdu.fields import Apdu, code_table, parsed, trailing, unknown_choice
from cosem.errors import EncodeError
from cosem.results import ExceptionServiceError, ExceptionStateError

SERVICES = (
    "initiate",
    "get-status",
    "get-name-list",
    "get-variable-attribute",
    "read",
    "write",
    "get-data-set-attribute",
    "get-ti-attribute",
    "change-scope",
    "start",
    "stop",
    "resume",
    "make-usable",
    "initiate-load",
    "load-segment",
    "terminate-load",
    "initiate-up-load",
    "up-load-segment",
    "terminate-up-load",
)
"""Choices of ConfirmedServiceError from 1 on: the service that failed. COSEM uses initiate, read and write."""

ERROR_CLASSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "application-reference",
        (
            "other",
            "time-elapsed",
            "application-unreachable",
            "application-reference-invalid",
            "application-context-unsupported",
            "provider-communication-error",
            "deciphering-error",
        ),
    ),
    (
        "hardware-resource",
        (
            "other",
            "memory-unavailable",
            "processor-resource-unavailable",
            "mass-storage-unavailable",
            "other-resource-unavailable",
        ),
    ),
    ("vde-state-error", ("other", "no-dlms-context", "loading-data-set", "status-nochange", "status-inoperable")),
    ("service", ("other", "pdu-size", "service-unsupported")),
    ("definition", ("other", "object-undefined", "object-class-inconsistent", "object-attribute-inconsistent")),
    (
        "access",
        ("other", "scope-of-access-violated", "object-access-violated", "hardware-fault", "object-unavailable"),
    ),
    (
        "initiate",
        (
            "other",
            "dlms-version-too-low",
            "incompatible-conformance",
            "pdu-size-too-short",
            "refused-by-the-vde-handler",
        ),
    ),
    (
        "load-data-set",
        (
            "other",
            "primitive-out-of-sequence",
            "not-loadable",
            "dataset-size-too-large",
            "not-awaited-segment",
            "interpretation-failure",
            "storage-failure",
            "data-set-not-ready",
        ),
    ),
    ("change-scope", ()),
    ("task", ("other", "no-remote-control", "ti-stopped", "ti-running", "ti-unusable")),
    ("other", ()),
)
"""Choices of ServiceError from 0 on, each with the names of its errors."""

INITIATE = 1
READ = 5
WRITE = 6
INITIATE_CLASS = 6

_new = tuple.__new__
_SERVICE_ERRORS: tuple[ExceptionServiceError | int, ...] = code_table(ExceptionServiceError)
_STATE_ERRORS = {int(state): state for state in ExceptionStateError}
_INVOCATION_COUNTER_ERROR = ExceptionServiceError.INVOCATION_COUNTER_ERROR
_pack_counter = Struct(">I").pack
_unpack_counter = Struct(">I").unpack_from


class _ExceptionResponse(NamedTuple):
    state_error: ExceptionStateError | int
    service_error: ExceptionServiceError | int
    invocation_counter: int | None = None


class ExceptionResponse(Apdu, _ExceptionResponse):
    """A request that could not be served at all. Only an invocation-counter-error (6) has a counter: the expected one.

    Servers of older editions send error 6 without the counter; that is read, with `invocation_counter` None.
    """

    __slots__ = ()
    service: ClassVar[str] = "exception-response"
    tag: ClassVar[int] = 0xD8

    def _octets(self, invoke: int | None) -> bytes:
        state, error, counter = self
        if counter is None:
            return bytes((0xD8, state, error))
        if error != _INVOCATION_COUNTER_ERROR:
            raise EncodeError("only an invocation-counter-error carries a counter", ("service-error",))
        return bytes((0xD8, state, error)) + _pack_counter(counter)


class _ConfirmedServiceError(NamedTuple):
    service_code: int
    error_class: int
    error: int


class ConfirmedServiceError(Apdu, _ConfirmedServiceError):
    """A confirmed service of DLMS itself that failed: initiating, or reading and writing by short name."""

    __slots__ = ()
    service: ClassVar[str] = "confirmed-service-error"
    tag: ClassVar[int] = 0x0E

    @property
    def service_name(self) -> str:
        """Return which service failed, ``"initiate"`` for example."""
        return _name(SERVICES, self.service_code - 1)

    @property
    def error_class_name(self) -> str:
        """Return the class of the error, ``"application-reference"`` for example."""
        return _name(tuple(name for name, _ in ERROR_CLASSES), self.error_class)

    @property
    def error_name(self) -> str:
        """Return the error within its class, ``"pdu-size-too-short"`` for example."""
        known = 0 <= self.error_class < len(ERROR_CLASSES)
        return _name(ERROR_CLASSES[self.error_class][1] if known else (), self.error)

    def _octets(self, invoke: int | None) -> bytes:
        return bytes((0x0E, *self))


def _name(names: tuple[str, ...], code: int) -> str:
    return names[code] if 0 <= code < len(names) else f"unknown ({code})"


def _parse_exception(octets: bytes, checked: bool) -> Parsed:
    state = _STATE_ERRORS.get(octets[1])
    if state is None:
        raise unknown_choice(octets, 1, "state-error")
    error = _SERVICE_ERRORS[octets[2]]
    counter = None
    end = 3
    if error == _INVOCATION_COUNTER_ERROR and len(octets) > 3:
        (counter,) = _unpack_counter(octets, 3)
        end = 7
    if end != len(octets):
        raise trailing(octets, end)
    return parsed(None, _new(ExceptionResponse, (state, error, counter)))


def _parse_service_error(octets: bytes, checked: bool) -> Parsed:
    code, error_class, error = octets[1], octets[2], octets[3]
    if not 1 <= code <= len(SERVICES):
        raise unknown_choice(octets, 1, "confirmed-service-error choice")
    if error_class >= len(ERROR_CLASSES):
        raise unknown_choice(octets, 2, "service-error choice")
    if len(octets) != 4:
        raise trailing(octets, 4)
    return parsed(None, _new(ConfirmedServiceError, (code, error_class, error)))


PARSERS = {0xD8: _parse_exception, 0x0E: _parse_service_error}

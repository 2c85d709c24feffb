"""The table of all APDUs: tag and choice -> class, who sends it, in which association states, under which protection.

What is not in the table does not exist for this library. The rows name their classes; the files behind them are
imported when the first APDU of the family comes along. A row without a file is a service that is known but not
supported yet: adding it is writing the file and naming it here.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, IntFlag
from typing import Final, NamedTuple

from cosem.apdu.ciphered import CIPHERED_NAMES, plain_tag


class Sender(Enum):
    """Which side of an association may send an APDU."""

    CLIENT = "client"
    SERVER = "server"
    EITHER = "either"


class State(IntFlag):
    """Association states at the receiving side in which an APDU may come; 0 for APDUs that never come alone."""

    NON_ASSOCIATED = 1
    PENDING = 2
    ASSOCIATED = 4


class Protection(IntFlag):
    """How an APDU may travel."""

    PLAIN = 1
    """As it is (whether that is enough is for the security policy to say)."""
    SERVICE = 2
    """Inside its own glo- or ded- form."""
    GENERAL = 4
    """Inside general-glo-, general-ded- or general-ciphering."""
    CARRIER = 8
    """It is itself the protection of another APDU."""


class Row(NamedTuple):
    """One line of the table. `choice` is the second octet where the tag has several services, else None.

    `module` is the file in this room, `name` the class in it. An ACTION in state
    `PENDING` may only be the proof of high level security: the responder sees to that.
    """

    tag: int
    choice: int | None
    service: str
    module: str
    name: str
    sender: Sender
    states: State
    protection: Protection


_CLIENT, _SERVER, _EITHER = Sender.CLIENT, Sender.SERVER, Sender.EITHER
_NOWHERE = State(0)
_OPEN = State.ASSOCIATED
_PROVING = State.PENDING | State.ASSOCIATED
_ANY = State.NON_ASSOCIATED | State.PENDING | State.ASSOCIATED
_BARE = Protection.PLAIN
_FULL = Protection.PLAIN | Protection.SERVICE | Protection.GENERAL
_NO_OWN_FORM = Protection.PLAIN | Protection.GENERAL


def _choices(tag: int, module: str, sender: Sender, states: State, *names: tuple[int, str, str]) -> Iterator[Row]:
    for choice, service, name in names:
        yield Row(tag, choice, service, module, name, sender, states, _FULL)


def _ciphered(plain: tuple[Row, ...]) -> Iterator[Row]:
    """Make the rows of the glo- and ded- forms: each is legal where its plain form is."""
    of = {row.tag: row for row in plain}
    for tag, service in sorted(CIPHERED_NAMES.items()):
        row = of[plain_tag(tag)]
        yield Row(tag, None, service, "ciphered", "Ciphered", row.sender, row.states, Protection.CARRIER)


_PLAIN_ROWS: Final = (
    Row(0x01, None, "initiate-request", "initiate", "InitiateRequest", _CLIENT, _NOWHERE, _FULL),
    Row(0x05, None, "read-request", "read_write", "ReadRequest", _CLIENT, _OPEN, _FULL),
    Row(0x06, None, "write-request", "read_write", "WriteRequest", _CLIENT, _OPEN, _FULL),
    Row(0x08, None, "initiate-response", "initiate", "InitiateResponse", _SERVER, _NOWHERE, _FULL),
    Row(0x0C, None, "read-response", "read_write", "ReadResponse", _SERVER, _OPEN, _FULL),
    Row(0x0D, None, "write-response", "read_write", "WriteResponse", _SERVER, _OPEN, _FULL),
    Row(0x0E, None, "confirmed-service-error", "errors", "ConfirmedServiceError", _SERVER, _ANY, _FULL),
    Row(0x0F, None, "data-notification", "notify", "DataNotification", _SERVER, _ANY, _NO_OWN_FORM),
    Row(0x10, None, "data-notification-confirm", "notify", "DataNotificationConfirm", _CLIENT, _OPEN, _NO_OWN_FORM),
    Row(0x16, None, "unconfirmed-write-request", "read_write", "UnconfirmedWriteRequest", _CLIENT, _OPEN, _FULL),
    Row(0x18, None, "information-report-request", "read_write", "InformationReport", _SERVER, _OPEN, _FULL),
    Row(0x60, None, "aarq", "acse", "Aarq", _CLIENT, _ANY, _BARE),
    Row(0x61, None, "aare", "acse", "Aare", _SERVER, _ANY, _BARE),
    Row(0x62, None, "rlrq", "acse", "Rlrq", _CLIENT, _PROVING, _BARE),
    Row(0x63, None, "rlre", "acse", "Rlre", _SERVER, _PROVING, _BARE),
    *_choices(
        0xC0,
        "get",
        _CLIENT,
        _OPEN,
        (1, "get-request-normal", "GetRequestNormal"),
        (2, "get-request-next", "GetRequestNext"),
        (3, "get-request-with-list", "GetRequestWithList"),
    ),
    *_choices(
        0xC1,
        "set",
        _CLIENT,
        _OPEN,
        (1, "set-request-normal", "SetRequestNormal"),
        (2, "set-request-with-first-datablock", "SetRequestWithFirstDatablock"),
        (3, "set-request-with-datablock", "SetRequestWithDatablock"),
        (4, "set-request-with-list", "SetRequestWithList"),
        (5, "set-request-with-list-and-first-datablock", "SetRequestWithListAndFirstDatablock"),
    ),
    Row(0xC2, None, "event-notification-request", "notify", "EventNotification", _SERVER, _ANY, _FULL),
    *_choices(
        0xC3,
        "action",
        _CLIENT,
        _PROVING,
        (1, "action-request-normal", "ActionRequestNormal"),
        (2, "action-request-next-pblock", "ActionRequestNextPblock"),
        (3, "action-request-with-list", "ActionRequestWithList"),
        (4, "action-request-with-first-pblock", "ActionRequestWithFirstPblock"),
        (5, "action-request-with-list-and-first-pblock", "ActionRequestWithListAndFirstPblock"),
        (6, "action-request-with-pblock", "ActionRequestWithPblock"),
    ),
    *_choices(
        0xC4,
        "get",
        _SERVER,
        _OPEN,
        (1, "get-response-normal", "GetResponseNormal"),
        (2, "get-response-with-datablock", "GetResponseWithDatablock"),
        (3, "get-response-with-list", "GetResponseWithList"),
    ),
    *_choices(
        0xC5,
        "set",
        _SERVER,
        _OPEN,
        (1, "set-response-normal", "SetResponseNormal"),
        (2, "set-response-datablock", "SetResponseDatablock"),
        (3, "set-response-last-datablock", "SetResponseLastDatablock"),
        (4, "set-response-last-datablock-with-list", "SetResponseLastDatablockWithList"),
        (5, "set-response-with-list", "SetResponseWithList"),
    ),
    *_choices(
        0xC7,
        "action",
        _SERVER,
        _PROVING,
        (1, "action-response-normal", "ActionResponseNormal"),
        (2, "action-response-with-pblock", "ActionResponseWithPblock"),
        (3, "action-response-with-list", "ActionResponseWithList"),
        (4, "action-response-next-pblock", "ActionResponseNextPblock"),
    ),
    Row(0xD8, None, "exception-response", "errors", "ExceptionResponse", _SERVER, _ANY, _NO_OWN_FORM),
    Row(0xD9, None, "access-request", "access", "AccessRequest", _CLIENT, _OPEN, _NO_OWN_FORM),
    Row(0xDA, None, "access-response", "access", "AccessResponse", _SERVER, _OPEN, _NO_OWN_FORM),
    Row(0xDB, None, "general-glo-ciphering", "ciphered", "GeneralGlo", _EITHER, _ANY, Protection.CARRIER),
    Row(0xDC, None, "general-ded-ciphering", "ciphered", "GeneralDed", _EITHER, _PROVING, Protection.CARRIER),
    Row(0xDD, None, "general-ciphering", "general", "GeneralCiphering", _EITHER, _OPEN, Protection.CARRIER),
    Row(0xDF, None, "general-signing", "general", "GeneralSigning", _EITHER, _OPEN, Protection.CARRIER),
    Row(0xE0, None, "general-block-transfer", "general", "GeneralBlockTransfer", _EITHER, _OPEN, _BARE),
)

ROWS: Final = tuple(sorted((*_PLAIN_ROWS, *_ciphered(_PLAIN_ROWS)), key=lambda row: (row.tag, row.choice or 0)))
"""Every APDU, by tag and choice."""

_BY_SERVICE: Final = {row.service: row for row in ROWS}
_BY_CHOICE: Final = {(row.tag, row.choice): row for row in ROWS}


def row_of(service: str) -> Row:
    """Return the row of a service by its name (``"get-request-normal"``); `KeyError` if there is none."""
    return _BY_SERVICE[service]


def find(octets: bytes) -> Row | None:
    """Return the row of the APDU that `octets` begin, as far as its tag and choice are there and known."""
    if not octets:
        return None
    row = _BY_CHOICE.get((octets[0], None))
    return row if row is not None or len(octets) < 2 else _BY_CHOICE.get((octets[0], octets[1]))

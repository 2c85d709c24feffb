"""Modem configuration (class 27): how a modem is initialised and what it answers."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.common import BaudRate, baud_rate
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import array, long_unsigned, octet_string, structure


class InitializationStringV0(NamedTuple):
    """A command to the modem and the answer that is expected."""

    request: bytes
    response: bytes


class InitializationString(NamedTuple):
    """A command to the modem, the answer that is expected, and milliseconds to wait after it."""

    request: bytes
    response: bytes
    delay_after_response: int


class PSTNModemConfiguration(InterfaceClass[S], class_id=27, version=0, name="PSTN modem configuration"):
    """Configures the modem of a telephone line.

    modem_profile gives the modem's words for, in this order: OK, CONNECT, RING, NO CARRIER, ERROR, CONNECT 1200, NO
    DIAL TONE, BUSY, NO ANSWER, CONNECT 600, 2400, 4800, 9600, 14400, 28800, 36600, 56000.
    """

    comm_speed = attribute(2, baud_rate, "speed between device and modem", static=True, default=BaudRate.BAUD_9600)
    initialization_string = attribute(
        3,
        array(structure(InitializationStringV0, request=octet_string(), response=octet_string())),
        "commands that initialise the modem",
        static=True,
        default=(),
    )
    modem_profile = attribute(4, array(octet_string()), "result codes of the modem", static=True, default=())


class ModemConfiguration(PSTNModemConfiguration[S], class_id=27, version=1, name="Modem configuration"):
    """Any modem; waits after each answer (Blue Book ed. 9, 4.6.4). modem_profile as in version 0."""

    initialization_string = attribute(  # type: ignore[assignment]
        3,
        array(
            structure(
                InitializationString,
                request=octet_string(),
                response=octet_string(),
                delay_after_response=long_unsigned,
            )
        ),
        "commands that initialise the modem",
        static=True,
        default=(),
    )

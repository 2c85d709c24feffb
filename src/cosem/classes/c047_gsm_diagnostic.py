"""GSM diagnostic (class 47): what the mobile network tells the modem."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    OpenEnum,
    array,
    date_time,
    double_long_unsigned,
    enum,
    long_unsigned,
    structure,
    unsigned,
    visible_string,
)


class RegistrationStatus(OpenEnum):
    """Whether the modem is registered in a network."""

    NOT_REGISTERED = 0
    REGISTERED_HOME_NETWORK = 1
    NOT_REGISTERED_SEARCHING = 2
    REGISTRATION_DENIED = 3
    UNKNOWN = 4
    REGISTERED_ROAMING = 5


class CircuitSwitchedAttachment(OpenEnum):
    """State of the circuit switched connection."""

    INACTIVE = 0
    INCOMING_CALL = 1
    ACTIVE = 2


class PacketSwitchedStatus(OpenEnum):
    """Technology of the packet switched connection; 5 and 6 from version 1 on, 7 to 9 from version 2 on."""

    INACTIVE = 0
    GPRS = 1
    EDGE = 2
    UMTS = 3
    HSDPA = 4
    LTE = 5
    CDMA = 6
    LTE_CAT_M1 = 7
    LTE_CAT_NB1 = 8
    LTE_CAT_NB2 = 9


class CellInfoV0(NamedTuple):
    """The serving cell. `signal_quality` and `ber` as in 3GPP TS 27.007: 0 to 31 is -113 to -51 dBm, 99 not known."""

    cell_ID: int
    location_ID: int
    signal_quality: int
    ber: int


class CellInfo(NamedTuple):
    """The serving cell, as in version 0, with country code, network code and channel."""

    cell_ID: int
    location_ID: int
    signal_quality: int
    ber: int
    mcc: int
    mnc: int
    channel_number: int


class AdjacentCell(NamedTuple):
    """A cell nearby; `signal_quality` as in `CellInfoV0`."""

    cell_ID: int
    signal_quality: int


_cell_info = structure(
    CellInfo,
    cell_ID=double_long_unsigned,
    location_ID=long_unsigned,
    signal_quality=unsigned,
    ber=unsigned,
    mcc=long_unsigned,
    mnc=long_unsigned,
    channel_number=double_long_unsigned,
)
_adjacent_cells = array(structure(AdjacentCell, cell_ID=double_long_unsigned, signal_quality=unsigned))


class GSMDiagnosticV0(InterfaceClass[S], class_id=47, version=0, name="GSM diagnostic"):
    """Registration, cells and signal (Blue Book ed. 11)."""

    operator = attribute(2, visible_string, "name of the network's operator")
    status = attribute(3, enum(RegistrationStatus), "registration in the network")
    cs_attachment = attribute(4, enum(CircuitSwitchedAttachment), "circuit switched connection")
    ps_status = attribute(5, enum(PacketSwitchedStatus), "packet switched connection")
    cell_info = attribute(
        6,
        structure(CellInfoV0, cell_ID=long_unsigned, location_ID=long_unsigned, signal_quality=unsigned, ber=unsigned),
        "the serving cell",
    )
    adjacent_cells = attribute(
        7,
        array(structure(AdjacentCell, cell_ID=long_unsigned, signal_quality=unsigned)),
        "cells nearby",
        default=(),
    )
    capture_time = attribute(8, date_time, "when all this was captured")


class GSMDiagnosticV1(GSMDiagnosticV0[S], class_id=47, version=1):
    """Long cell identifiers, country, network and channel; LTE and CDMA (Blue Book ed. 12.1)."""

    cell_info = attribute(6, _cell_info, "the serving cell")  # type: ignore[assignment]
    adjacent_cells = attribute(7, _adjacent_cells, "cells nearby", default=())


class GSMDiagnostic(GSMDiagnosticV1[S], class_id=47, version=2):
    """LTE Cat M1 and NB (Blue Book ed. 14).

    The short name offsets from cell_info on, one place later than before, are from a single source.
    """

    cell_info = attribute(6, _cell_info, "the serving cell", sn_offset=0x30)
    adjacent_cells = attribute(7, _adjacent_cells, "cells nearby", default=(), sn_offset=0x38)
    capture_time = attribute(8, date_time, "when all this was captured", sn_offset=0x40)

"""GPRS modem setup (class 45): access point, PIN and quality of service."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned, octet_string, structure, unsigned


class QualityOfServiceElement(NamedTuple):
    """Classes of service as 3GPP numbers them."""

    precedence: int
    delay: int
    reliability: int
    peak_throughput: int
    mean_throughput: int


class QualityOfService(NamedTuple):
    """The least that is accepted and what is asked for."""

    default: QualityOfServiceElement
    requested: QualityOfServiceElement


_element = structure(
    QualityOfServiceElement,
    precedence=unsigned,
    delay=unsigned,
    reliability=unsigned,
    peak_throughput=unsigned,
    mean_throughput=unsigned,
)


class GPRSModemSetup(InterfaceClass[S], class_id=45, version=0, name="GPRS modem setup"):
    """What a modem needs for a packet data connection (Blue Book ed. 9, 4.8.5)."""

    APN = attribute(2, octet_string(), "access point name", static=True)
    PIN_code = attribute(3, long_unsigned, "personal identification number of the card", static=True)
    quality_of_service = attribute(
        4, structure(QualityOfService, default=_element, requested=_element), "least and wanted service", static=True
    )

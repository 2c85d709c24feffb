"""LTE monitoring (class 151): what the LTE network tells the modem."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    OpenEnum,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    structure,
    unsigned,
)


class CEMode(OpenEnum):
    """Coverage enhancement level."""

    LEVEL_0 = 0
    LEVEL_1 = 1
    LEVEL_2 = 2


class QualityOfServiceV0(NamedTuple):
    """Timers, signal quality and strength, and the level that a cell needs (3GPP TS 24.301 and 36.133)."""

    T3402: int
    T3412: int
    RSRQ: int
    RSRP: int
    qRxlevMin: int


class NetworkParameters(NamedTuple):
    """Timers of the network and the level that a cell needs (3GPP TS 24.301 and 36.331)."""

    T3402: int
    T3412: int
    T3412ext2: int
    T3324: int
    TeDRX: int
    TPTW: int
    qRxlevMin: int
    qRxlevMinCE: int
    qRxlevMinCE1: int


class QualityOfService(NamedTuple):
    """Signal quality, strength and ratio to noise, and coverage enhancement."""

    RSRQ: int
    RSRP: int
    SINR: int
    CE_mode: CEMode


class LTEMonitoringV0(InterfaceClass[S], class_id=151, version=0, name="LTE monitoring"):
    """Quality of service (Blue Book ed. 13). The fields inside are from one public source."""

    LTE_quality_of_service = attribute(
        2,
        structure(
            QualityOfServiceV0,
            T3402=long_unsigned,
            T3412=long_unsigned,
            RSRQ=unsigned,
            RSRP=unsigned,
            qRxlevMin=integer,
        ),
        "quality of service",
    )


class LTEMonitoring(LTEMonitoringV0[S], class_id=151, version=1):
    """Parameters of the network apart from the quality of service (Blue Book ed. 14). Fields as in version 0."""

    LTE_network_parameters = attribute(
        2,
        structure(
            NetworkParameters,
            T3402=long_unsigned,
            T3412=long_unsigned,
            T3412ext2=double_long_unsigned,
            T3324=long_unsigned,
            TeDRX=double_long_unsigned,
            TPTW=long_unsigned,
            qRxlevMin=integer,
            qRxlevMinCE=integer,
            qRxlevMinCE1=integer,
        ),
        "parameters of the network",
    )
    LTE_quality_of_service = attribute(  # type: ignore[assignment]
        3,
        structure(QualityOfService, RSRQ=integer, RSRP=integer, SINR=integer, CE_mode=enum(CEMode)),
        "quality of service",
    )

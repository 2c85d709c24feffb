"""S-FSK Phy&MAC set-up (class 50): physical and MAC layer of an S-FSK power line station."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    OpenEnum,
    array,
    boolean,
    double_long_unsigned,
    enum,
    enum_code,
    long_unsigned,
    structure,
    unsigned,
)


class InitiatorElectricalPhase(OpenEnum):
    """The phase to which the initiator is connected."""

    NOT_DEFINED = 0
    PHASE_1 = 1
    PHASE_2 = 2
    PHASE_3 = 3


class DeltaElectricalPhase(OpenEnum):
    """Phase of the station against that of the initiator."""

    NOT_DEFINED = 0
    SAME_PHASE = 1
    PLUS_60_DEGREES = 2
    PLUS_120_DEGREES = 3
    OPPOSITE_180_DEGREES = 4
    MINUS_120_DEGREES = 5
    MINUS_60_DEGREES = 6


class Repeater(OpenEnum):
    """Whether the station repeats frames of others."""

    NEVER = 0
    ALWAYS = 1
    DYNAMIC = 2


class Frequencies(NamedTuple):
    """The two frequencies in Hz."""

    mark_frequency: int
    space_frequency: int


class SFSKPhyMACSetupV0(InterfaceClass[S], class_id=50, version=0, name="S-FSK Phy&MAC set-up"):
    """Gains, frequencies, addresses and repeating (Blue Book ed. 9; IEC 61334-4-512)."""

    initiator_electrical_phase = attribute(2, enum(InitiatorElectricalPhase), "phase of the initiator", static=True)
    delta_electrical_phase = attribute(3, enum(DeltaElectricalPhase), "phase against that of the initiator")
    max_receiving_gain = attribute(4, unsigned, "limit of the receiving gain, in steps of dB", static=True)
    max_transmitting_gain = attribute(5, unsigned, "limit of the transmitting gain, as attenuation", static=True)
    search_initiator_gain = attribute(6, unsigned, "gain while searching an initiator", static=True)
    frequencies = attribute(
        7,
        structure(Frequencies, mark_frequency=double_long_unsigned, space_frequency=double_long_unsigned),
        "frequencies in Hz",
        static=True,
    )
    mac_address = attribute(8, long_unsigned, "address of the station, FFEh (NEW) after a reset", default=0xFFE)
    mac_group_addresses = attribute(9, array(long_unsigned), "groups of the station", static=True, default=())
    repeater = attribute(10, enum(Repeater), "whether the station repeats", static=True)
    repeater_status = attribute(11, boolean, "whether the station is a repeater now")
    min_delta_credit = attribute(12, unsigned, "the smallest delta credit: how near the initiator is")
    initiator_mac_address = attribute(13, long_unsigned, "address of the initiator")
    synchronization_locked = attribute(14, boolean, "whether the station is locked to its initiator")


class SFSKPhyMACSetup(SFSKPhyMACSetupV0[S], class_id=50, version=1):
    """A threshold in place of the gain of the search, and the speed (Blue Book ed. 10).

    transmission_speed is kept as a number: public sources have two different lists for it.
    """

    search_initiator_threshold = attribute(6, unsigned, "signal that a search needs, in steps of dB", static=True)
    transmission_speed = attribute(15, enum_code, "speed, a code that is not verified", static=True)

"""G3-PLC MAC setup (class 91): parameters and tables of the MAC layer."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    any_data,
    array,
    bit_string,
    boolean,
    double_long_unsigned,
    enum,
    integer,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)


class Modulation(OpenEnum):
    """Modulation towards a neighbour."""

    ROBUST = 0
    BPSK_OR_DBPSK = 1
    QPSK_OR_DQPSK = 2
    PSK8_OR_D8PSK = 3
    QAM16 = 4


class TransmitResolution(OpenEnum):
    """Step of the transmitting gain."""

    STEP_6_DB = 0
    STEP_3_DB = 1


class GroupMasterKey(NamedTuple):
    """A group master key and its identifier, 0 or 1."""

    key_id: int
    key: bytes

    def __repr__(self) -> str:
        return f"GroupMasterKey({self.key_id!r}, ...)"


class Neighbour(NamedTuple):
    """An entry of the neighbour table."""

    short_address: int
    payload_modulation_scheme: bool
    tone_map: str
    modulation: Modulation
    tx_gain: int
    tx_res: TransmitResolution
    tx_coeff: str
    lqi: int
    phase_differential: int
    TMR_valid_time: int
    neighbour_valid_time: int


class PersonalOperatingSpace(NamedTuple):
    """An entry of the POS table: a station within reach."""

    short_address: int
    LQI: int
    POS_valid_time: int


class G3PLCMACSetupV1(InterfaceClass[S], class_id=91, version=1, name="G3-PLC MAC setup", verified=False):
    """Parameters named after those of ITU-T G.9903 (Blue Book ed. 12, 4.13). No public source describes version 0.

    Not verified: the widths inside the tables, and the layout of what the methods return (any type here).
    """

    mac_short_address = attribute(2, long_unsigned, "address of the node, FFFFh while none", default=0xFFFF)
    mac_RC_coord = attribute(3, long_unsigned, "route cost to the coordinator")
    mac_PAN_id = attribute(4, long_unsigned, "identifier of the network")
    mac_key_table = attribute(
        5, array(structure(GroupMasterKey, key_id=unsigned, key=octet_string())), "group master keys", default=()
    )
    mac_frame_counter = attribute(6, double_long_unsigned, "counter of protected frames sent")
    mac_tone_mask = attribute(7, bit_string(), "tones in use", static=True)
    mac_TMR_TTL = attribute(8, unsigned, "minutes a tone map is valid", static=True)
    mac_max_frame_retries = attribute(9, unsigned, "times a frame is sent again", static=True)
    mac_neighbour_table_entry_TTL = attribute(10, unsigned, "minutes a neighbour is kept", static=True)
    mac_neighbour_table = attribute(
        11,
        array(
            structure(
                Neighbour,
                short_address=long_unsigned,
                payload_modulation_scheme=boolean,
                tone_map=bit_string(),
                modulation=enum(Modulation),
                tx_gain=integer,
                tx_res=enum(TransmitResolution),
                tx_coeff=bit_string(),
                lqi=unsigned,
                phase_differential=integer,
                TMR_valid_time=unsigned,
                neighbour_valid_time=unsigned,
            )
        ),
        "the neighbours",
        default=(),
    )
    mac_high_priority_window_size = attribute(12, unsigned, "slots of the high priority window", static=True)
    mac_CSMA_fairness_limit = attribute(13, unsigned, "failed tries until the back-off grows no more", static=True)
    mac_beacon_randomization_window_length = attribute(14, unsigned, "seconds of the beacon window", static=True)
    mac_A = attribute(15, unsigned, "additive decrease of the contention window", static=True)
    mac_K = attribute(16, unsigned, "rate of adapting the contention window", static=True)
    mac_min_CW_attempts = attribute(17, unsigned, "tries at the smallest contention window", static=True)
    mac_cenelec_legacy_mode = attribute(18, unsigned, "mode of the physical layer in CENELEC bands", static=True)
    mac_FCC_legacy_mode = attribute(19, unsigned, "mode of the physical layer in the FCC band", static=True)
    mac_max_BE = attribute(20, unsigned, "largest back-off exponent", static=True)
    mac_max_CSMA_backoffs = attribute(21, unsigned, "back-offs at most", static=True)
    mac_min_BE = attribute(22, unsigned, "smallest back-off exponent", static=True)

    mac_get_neighbour_table_entry = method(
        1, long_unsigned, "returns the entry of the neighbour table with that short address", returns=any_data
    )


class G3PLCMACSetupV2(G3PLCMACSetupV1[S], class_id=91, version=2, verified=False):
    """Adds attenuation and the POS table (Blue Book ed. 13). Not verified: as in version 1."""

    mac_broadcast_max_CW_enabled = attribute(
        23, boolean, "whether broadcasts use the largest contention window", static=True
    )
    mac_transmit_atten = attribute(24, unsigned, "attenuation of the transmitter, dB", static=True)
    mac_POS_table = attribute(
        25,
        array(structure(PersonalOperatingSpace, short_address=long_unsigned, LQI=unsigned, POS_valid_time=unsigned)),
        "stations within reach",
        default=(),
    )


class G3PLCMACSetupV3(G3PLCMACSetupV2[S], class_id=91, version=3, verified=False):
    """Adds the detection of duplicates (Blue Book ed. 14). Not verified: as in version 1."""

    mac_duplicate_detection_TTL = attribute(26, unsigned, "seconds a frame is remembered", static=True)

    mac_get_POS_table_entry = method(
        2, long_unsigned, "returns the entry of the POS table with that short address", returns=any_data
    )


class G3PLCMACSetup(G3PLCMACSetupV3[S], class_id=91, version=4, verified=False):
    """The lifetime of neighbours became that of the POS table (Blue Book ed. 16).

    Not verified: as in version 1, and whether the neighbour table changed.
    """

    mac_POS_table_entry_TTL = attribute(10, unsigned, "minutes a station within reach is kept", static=True)
    mac_POS_recent_entry_threshold = attribute(27, unsigned, "until when an entry counts as recent", static=True)
    mac_POS_recent_entries = attribute(28, long_unsigned, "number of recent entries", static=True)
    mac_preamble_length = attribute(29, unsigned, "symbols of the preamble", static=True)

    mac_get_neighbour_table_entry = method(
        1,
        long_unsigned,
        "returns the entry of the neighbour table with that short address",
        returns=any_data,
        sn_offset=0xE8,
    )
    mac_get_POS_table_entry = method(
        2,
        long_unsigned,
        "returns the entry of the POS table with that short address",
        returns=any_data,
        sn_offset=0xF0,
    )

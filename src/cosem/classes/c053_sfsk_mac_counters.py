"""S-FSK MAC counters (class 53): what the MAC layer of an S-FSK station counts."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import array, double_long_unsigned, long_unsigned, structure, trigger


class Synchronization(NamedTuple):
    """How often an initiator synchronized the station."""

    mac_address: int
    synchronizations_counter: int


class Desynchronizations(NamedTuple):
    """How often synchronization was lost, by reason."""

    nb_physical_layer_desynchronization: int = 0
    nb_time_out_not_addressed_desynchronization: int = 0
    nb_timeout_frame_not_OK_desynchronization: int = 0
    nb_write_request_desynchronization: int = 0
    nb_wrong_initiator_desynchronization: int = 0


class BroadcastFrames(NamedTuple):
    """How many broadcast frames came from an initiator."""

    mac_address: int
    frames_counter: int


class SFSKMACCounters(InterfaceClass[S], class_id=53, version=0, name="S-FSK MAC counters"):
    """Counters of synchronization and of frames (Blue Book ed. 9; IEC 61334-4-512)."""

    synchronization_register = attribute(
        2,
        array(structure(Synchronization, mac_address=long_unsigned, synchronizations_counter=double_long_unsigned)),
        "synchronizations by initiator",
        default=(),
    )
    desynchronization_listing = attribute(
        3,
        structure(
            Desynchronizations,
            nb_physical_layer_desynchronization=double_long_unsigned,
            nb_time_out_not_addressed_desynchronization=double_long_unsigned,
            nb_timeout_frame_not_OK_desynchronization=double_long_unsigned,
            nb_write_request_desynchronization=double_long_unsigned,
            nb_wrong_initiator_desynchronization=double_long_unsigned,
        ),
        "desynchronizations by reason",
        default=Desynchronizations(),
    )
    broadcast_frames_counter = attribute(
        4,
        array(structure(BroadcastFrames, mac_address=long_unsigned, frames_counter=double_long_unsigned)),
        "broadcast frames by initiator",
        default=(),
    )
    repetitions_counter = attribute(5, double_long_unsigned, "frames repeated", default=0)
    transmissions_counter = attribute(6, double_long_unsigned, "frames sent", default=0)
    CRC_OK_frames_counter = attribute(7, double_long_unsigned, "frames received with a correct CRC", default=0)
    CRC_NOK_frames_counter = attribute(8, double_long_unsigned, "frames received with a wrong CRC", default=0)

    reset = method(1, trigger, "sets the counters to 0 and empties the lists", sn_offset=0x50)

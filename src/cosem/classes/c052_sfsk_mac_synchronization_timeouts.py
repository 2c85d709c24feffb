"""S-FSK MAC synchronization timeouts (class 52): when an S-FSK station gives up its initiator."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned


class SFSKMACSynchronizationTimeouts(
    InterfaceClass[S], class_id=52, version=0, name="S-FSK MAC synchronization timeouts"
):
    """Timeouts, each off at 0 (Blue Book ed. 9; IEC 61334-4-512). The units are not verified."""

    search_initiator_timeout = attribute(2, long_unsigned, "seconds of searching for the best initiator", static=True)
    synchronization_confirmation_timeout = attribute(
        3, long_unsigned, "seconds within which a frame to the station must confirm", static=True
    )
    time_out_not_addressed = attribute(4, long_unsigned, "minutes without being addressed", static=True)
    time_out_frame_not_OK = attribute(5, long_unsigned, "seconds without a correct frame", static=True)

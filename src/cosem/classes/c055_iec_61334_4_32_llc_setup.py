"""IEC 61334-4-32 LLC setup (class 55): the LLC layer of a power line station."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import array, long_unsigned, structure, unsigned


class ReplyStatus(NamedTuple):
    """A frame that waits for being fetched: its LLC selector and its length in octets."""

    L_SAP_selector: int
    length_of_waiting_L_SDU: int


class IEC61334LLCSetupV0(InterfaceClass[S], class_id=55, version=0, name="S-FSK IEC 61334-4-32 LLC setup"):
    """Length of frames and waiting frames (Blue Book ed. 9). That the length is unsigned is not verified."""

    max_frame_length = attribute(2, unsigned, "octets, 26 to 242", static=True, default=134)
    reply_status_list = attribute(
        3,
        array(structure(ReplyStatus, L_SAP_selector=unsigned, length_of_waiting_L_SDU=unsigned)),
        "frames that wait",
        default=(),
    )


class IEC61334LLCSetup(IEC61334LLCSetupV0[S], class_id=55, version=1, name="IEC 61334-4-32 LLC setup"):
    """Longer frames, for other profiles than S-FSK too (Blue Book ed. 11)."""

    max_frame_length = attribute(2, long_unsigned, "octets, 26 to 242 with S-FSK", static=True, default=134)

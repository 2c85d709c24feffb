"""Compact data (class 62): values of several attributes in one buffer without types."""

from __future__ import annotations

from cosem.classes.common import capture_object
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.protection import restricted_columns
from cosem.classes.types import OpenEnum, array, enum, octet_string, trigger, unsigned


class CaptureMethod(OpenEnum):
    """When values are captured."""

    BY_METHOD = 0
    WHEN_READ = 1


class CompactDataV0(InterfaceClass[S], class_id=62, version=0, name="Compact data"):
    """The octets of captured values; their types are in template_description (Blue Book ed. 12.1, 4.3.10).

    The offsets of the methods are the next free places, not verified.
    """

    compact_buffer = attribute(2, octet_string(), "the values without their types")
    capture_objects = attribute(
        3, array(capture_object), "what is captured; the first is template_id of this object", static=True, default=()
    )
    template_id = attribute(4, unsigned, "identifies the layout of the buffer", static=True)
    template_description = attribute(5, octet_string(), "the types of the values, A-XDR")
    capture_method = attribute(6, enum(CaptureMethod), "when values are captured", static=True)

    reset = method(1, trigger, "empties the buffer", sn_offset=0x38)
    capture = method(2, trigger, "fills the buffer now", sn_offset=0x40)


class CompactData(CompactDataV0[S], class_id=62, version=1, verified=False):
    """Rows and columns of captured profiles can be chosen (Blue Book ed. 14).

    Not verified: the elements of capture_objects. Public sources have the restriction, but not all have the columns.
    """

    capture_objects = attribute(  # type: ignore[assignment]
        3, restricted_columns, "what is captured; the first is template_id of this object", static=True, default=()
    )

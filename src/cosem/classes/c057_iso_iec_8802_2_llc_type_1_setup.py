"""ISO/IEC 8802-2 LLC Type 1 setup (class 57): connectionless LLC without acknowledgement."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned


class LLCType1Setup(InterfaceClass[S], class_id=57, version=0, name="ISO/IEC 8802-2 LLC Type 1 setup"):
    """Length of UI PDUs (Blue Book ed. 9; ISO/IEC 8802-2)."""

    max_octets_ui_pdu = attribute(2, long_unsigned, "octets of a UI PDU at most", static=True, default=128)

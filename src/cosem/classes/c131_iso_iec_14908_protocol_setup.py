"""ISO/IEC 14908 protocol setup (class 131)."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned


class ISOIEC14908ProtocolSetup(InterfaceClass[S], class_id=131, version=0, name="ISO/IEC 14908 protocol setup"):
    """Timeout of the protocol (Blue Book ed. 13; IEC 62056-8-8)."""

    inactivity_timeout = attribute(2, long_unsigned, "time without traffic until the connection ends", static=True)

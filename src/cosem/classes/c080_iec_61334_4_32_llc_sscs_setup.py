"""61334-4-32 LLC SSCS setup (class 80): the convergence sublayer of IEC 61334-4-32 in a PRIME node."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import long_unsigned, trigger


class IEC61334LLCSSCSSetup(InterfaceClass[S], class_id=80, version=0, name="61334-4-32 LLC SSCS setup"):
    """Addresses that the service node got when its connection was opened (Blue Book ed. 12, 4.12)."""

    service_node_address = attribute(2, long_unsigned, "address of the node, FFEh (NEW) while none", default=0xFFE)
    base_node_address = attribute(3, long_unsigned, "address of the base node, 0 while none", default=0)

    reset = method(1, trigger, "gives up the addresses", sn_offset=0x20)

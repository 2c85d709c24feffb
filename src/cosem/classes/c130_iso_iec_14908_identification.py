"""ISO/IEC 14908 identification (class 130): addresses of a node."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import octet_string, unsigned


class ISOIEC14908Identification(InterfaceClass[S], class_id=130, version=0, name="ISO/IEC 14908 identification"):
    """Addresses and program of the node (Blue Book ed. 13; IEC 62056-8-8)."""

    node_ID = attribute(2, unsigned, "node within its subnet", static=True)
    subnet_ID = attribute(3, unsigned, "subnet within its domain", static=True)
    domain_ID = attribute(4, octet_string(), "domain", static=True)
    program_ID = attribute(5, octet_string(), "program of the node", static=True)
    unique_node_ID = attribute(6, octet_string(), "identifier of the node in all the world", static=True)

"""S-FSK Active initiator (class 51): the initiator that a station is registered with."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import long_unsigned, octet_string, structure, unsigned


class InitiatorDescriptor(NamedTuple):
    """The initiator: system title, address, and the selector of its LLC service access point."""

    system_title: bytes
    MAC_address: int
    L_SAP_selector: int


class SFSKActiveInitiator(InterfaceClass[S], class_id=51, version=0, name="S-FSK Active initiator"):
    """Who registered the station last (Blue Book ed. 9). The parameter of the method is from IEC 61334-4-512 only."""

    active_initiator = attribute(
        2,
        structure(InitiatorDescriptor, system_title=octet_string(), MAC_address=long_unsigned, L_SAP_selector=unsigned),
        "the initiator",
    )

    reset_NEW_not_synchronized = method(
        1, long_unsigned, "makes the station NEW and not synchronized; takes the client's MAC address", sn_offset=0x10
    )

"""PRIME NB OFDM PLC Application identification (class 86)."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned, octet_string


class PRIMEApplicationIdentification(
    InterfaceClass[S], class_id=86, version=0, name="PRIME NB OFDM PLC Application identification"
):
    """Who made the node's software (Blue Book ed. 12, 4.12)."""

    firmware_version = attribute(2, octet_string(), "version of the firmware", static=True)
    vendor_Id = attribute(3, long_unsigned, "vendor, a number of the PRIME Alliance", static=True)
    product_Id = attribute(4, long_unsigned, "product, a number of the vendor", static=True)

"""SCHC-LPWAN setup (class 126): header compression and fragments over a low power network."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import array, octet_string, raw_data


class SCHCLPWANSetup(InterfaceClass[S], class_id=126, version=0, name="SCHC-LPWAN setup", verified=False):
    """Rules and parameters (Blue Book ed. 15; RFC 8724).

    From one public source, which does not give the layout of the rules and of the fragmentation parameters (`Data`).
    """

    lpwan_reference = attribute(2, octet_string(), "the setup object of the network", static=True)
    schc_cd_rules = attribute(3, array(raw_data), "rules of compression and decompression", static=True, default=())
    schc_fr_param = attribute(4, raw_data, "parameters of fragmentation, a structure", static=True)

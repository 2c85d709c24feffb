"""IPv4 setup (class 42): addresses of an IPv4 interface."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    array,
    boolean,
    code,
    double_long_unsigned,
    logical_name,
    long_unsigned,
    octet_string,
    structure,
    trigger,
    unsigned,
)


class IPOptionType(OpenEnum):
    """The option of an IPv4 header (RFC 791)."""

    RECORD_ROUTE = 7
    INTERNET_TIMESTAMP = 68
    SECURITY = 130
    LOOSE_SOURCE_AND_RECORD_ROUTE = 131
    STRICT_SOURCE_AND_RECORD_ROUTE = 137


class IPOption(NamedTuple):
    """An option that is put into every header."""

    IP_Option_Type: IPOptionType
    IP_Option_Length: int
    IP_Option_Data: bytes


class IPv4Setup(InterfaceClass[S], class_id=42, version=0, name="IPv4 setup"):
    """Addresses are numbers of 32 bits (Blue Book ed. 9, 4.8.2). With DHCP the addresses are dynamic, else static."""

    DL_reference = attribute(2, logical_name, "the setup object of the layer below", static=True)
    IP_address = attribute(3, double_long_unsigned, "address of the interface")
    multicast_IP_address = attribute(4, array(double_long_unsigned), "multicast groups", static=True, default=())
    IP_options = attribute(
        5,
        array(
            structure(
                IPOption,
                IP_Option_Type=code(IPOptionType),
                IP_Option_Length=unsigned,
                IP_Option_Data=octet_string(),
            )
        ),
        "options of every header",
        static=True,
        default=(),
    )
    subnet_mask = attribute(6, double_long_unsigned, "mask of the network")
    gateway_IP_address = attribute(7, double_long_unsigned, "address of the gateway")
    use_DHCP_flag = attribute(8, boolean, "whether addresses are had by DHCP", static=True)
    primary_DNS_address = attribute(9, double_long_unsigned, "first name server, 0 = none")
    secondary_DNS_address = attribute(10, double_long_unsigned, "second name server, 0 = none")

    add_mc_IP_address = method(1, double_long_unsigned, "joins a multicast group", sn_offset=0x60)
    delete_mc_IP_address = method(2, double_long_unsigned, "leaves a multicast group", sn_offset=0x68)
    get_nbof_mc_IP_addresses = method(
        3, trigger, "returns the number of multicast groups", returns=long_unsigned, sn_offset=0x70
    )

"""IPv6 setup (class 48): addresses of an IPv6 interface."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    array,
    double_long_unsigned,
    enum,
    logical_name,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)


class AddressConfigMode(OpenEnum):
    """Where the addresses come from."""

    AUTO_CONFIGURATION = 0
    DHCPV6 = 1
    MANUAL = 2
    NEIGHBOUR_DISCOVERY = 3


class IPv6AddressType(OpenEnum):
    """Which list an address belongs to."""

    UNICAST = 0
    MULTICAST = 1
    GATEWAY = 2


class NeighborDiscovery(NamedTuple):
    """Router solicitations and milliseconds between them; seconds between router advertisements."""

    RS_max_retry: int
    RS_retry_wait_time: int
    RA_send_period: int


class IPv6Address(NamedTuple):
    """An address of 16 octets and the list it belongs to."""

    IPv6_address_type: IPv6AddressType
    IPv6_address: bytes


_address = octet_string(16)
_typed_address = structure(IPv6Address, IPv6_address_type=enum(IPv6AddressType), IPv6_address=octet_string())


class IPv6Setup(InterfaceClass[S], class_id=48, version=0, name="IPv6 setup"):
    """Addresses are 16 octets (Blue Book ed. 12)."""

    DL_reference = attribute(2, logical_name, "the setup object of the layer below", static=True)
    address_config_mode = attribute(
        3,
        enum(AddressConfigMode),
        "where the addresses come from",
        static=True,
        default=AddressConfigMode.AUTO_CONFIGURATION,
    )
    unicast_IPv6_addresses = attribute(4, array(_address), "addresses of the interface", default=())
    multicast_IPv6_addresses = attribute(5, array(_address), "multicast groups", static=True, default=())
    gateway_IPv6_addresses = attribute(6, array(_address), "addresses of gateways", static=True, default=())
    primary_DNS_address = attribute(7, _address, "first name server", static=True)
    secondary_DNS_address = attribute(8, _address, "second name server", static=True)
    traffic_class = attribute(9, unsigned, "traffic class of packets, 0 to 63", static=True, default=0)
    neighbor_discovery_setup = attribute(
        10,
        array(
            structure(
                NeighborDiscovery,
                RS_max_retry=unsigned,
                RS_retry_wait_time=long_unsigned,
                RA_send_period=double_long_unsigned,
            )
        ),
        "solicitations and advertisements, by interface",
        static=True,
        default=(),
    )

    add_IPv6_address = method(1, _typed_address, "adds an address", sn_offset=0x60)
    remove_IPv6_address = method(2, _typed_address, "takes an address away", sn_offset=0x68)

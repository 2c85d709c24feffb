"""Images for M-Bus devices, passed on block by block over the bus.

That an image travels under CI C0h with a long header is the standard's; what stands in it is not public. Here it is our
own: number of the block (2 octets, least significant first, bit 15 set in the last one), then its octets. Each block is
a telegram of its own; one that is not acknowledged ends the transfer, and the image stays with the meter.
"""

from __future__ import annotations

from typing import Final

from cosem.device.image import Image
from cosem.device.mbus.client import UNREACHABLE, MBusClientBehaviour
from cosem.mbus.ci import HeaderKind
from cosem.mbus.header import Header

IMAGE_CI: Final = 0xC0
BLOCK: Final = 192
"""Octets of the image in one telegram."""
LAST: Final = 0x8000
MOST: Final = BLOCK * LAST
"""Octets of the longest image that block numbers reach."""


def pass_on(client: MBusClientBehaviour, image: Image) -> bool:
    """Send an image to the device of a channel; False where it is not there or does not take it."""
    payload, meter = image.payload, client.meter
    if meter is None or client.channel.wireless or not 0 < len(payload) <= MOST:
        return False
    header = Header(HeaderKind.LONG, meter).octets
    count = -(-len(payload) // BLOCK)
    try:
        bus = client.place.primary
        for number in range(count):
            mark = number | (LAST if number == count - 1 else 0)
            block = payload[number * BLOCK : (number + 1) * BLOCK]
            client.place.run(bus.send(client.address, IMAGE_CI, header + mark.to_bytes(2, "little") + block))
    except UNREACHABLE:
        return False
    return True

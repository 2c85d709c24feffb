"""What a meter pushes that describes itself: its name, and a register with scaler and unit."""

from __future__ import annotations

from cosem.apdu.notify import DataNotification
from cosem.codec import axdr
from cosem.link.base import Address
from cosem.link.wrapper import WrapperLink
from cosem.obis import obis


def notification(name: bytes, value: int) -> bytes:
    """Return the push of an energy register, in Wh, by who calls himself so."""
    body = axdr.structure(
        axdr.octet_string(bytes(obis("0-1:25.9.0.255"))),
        axdr.structure(axdr.octet_string(bytes(obis("0-0:96.1.0.255"))), axdr.octet_string(name)),
        axdr.octet_string(bytes(obis("1-0:1.8.0.255"))),
        axdr.double_long_unsigned(value),
        axdr.structure(axdr.integer(0), axdr.enum(30)),
    )
    return DataNotification(b"", axdr.encode(body)).encode(1)


def framed(apdu: bytes) -> bytes:
    """Return an APDU in a wrapper, as it is sent over TCP."""
    link = WrapperLink(server=True)
    link.send(Address(1, 1), apdu, 0.0, confirmed=False)
    return link.take()

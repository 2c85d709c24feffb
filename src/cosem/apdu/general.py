"""General block transfer, general-ciphering and general-signing as structures (Green Book ed. 9, 9.2.7 and 9.4.6.13).

What carries the key, and the content, stay octets: opening them is the business of `cosem.security`.
"""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, NamedTuple

from cosem.apdu.base import Parsed
from cosem.apdu.fields import Apdu, last_octets, octets_at, parsed, unknown_choice
from cosem.codec.axdr import encode_octets
from cosem.errors import DecodeError, EncodeError

_GBT = Struct(">BBHH")
_LAST, _STREAMING, _WINDOW = 0x80, 0x40, 0x3F
HEADER_SIZE = 5
"""Security control, one octet, and invocation counter, four."""


class _Block(NamedTuple):
    last: bool
    streaming: bool
    window: int
    block_number: int
    block_number_ack: int
    block_data: bytes


class GeneralBlockTransfer(Apdu, _Block):
    """One block of an APDU of any kind. `window` 0 to 63, numbers 16 bits; empty data is an acknowledgement."""

    __slots__ = ()
    service: ClassVar[str] = "general-block-transfer"
    tag: ClassVar[int] = 0xE0

    def _octets(self, invoke: int | None) -> bytes:
        if not 0 <= self.window <= _WINDOW:
            raise EncodeError(f"a window of {self.window} does not fit 6 bits", ("block-control",))
        control = (_LAST if self.last else 0) | (_STREAMING if self.streaming else 0) | self.window
        return _GBT.pack(0xE0, control, self.block_number, self.block_number_ack) + encode_octets(self.block_data)


class IdentifiedKey(NamedTuple):
    """The key is one both sides know: 0 global unicast, 1 global broadcast encryption key."""

    key_id: int


class WrappedKey(NamedTuple):
    """The key comes along, wrapped under the key-encryption key `kek_id` (0 is the master key)."""

    kek_id: int
    key_ciphered_data: bytes


class AgreedKey(NamedTuple):
    """The key was, or is here, agreed by the scheme that `key_parameters` name."""

    key_parameters: bytes
    key_ciphered_data: bytes


class _Ciphering(NamedTuple):
    transaction_id: bytes
    originator: bytes
    recipient: bytes
    date_time: bytes
    other_information: bytes
    key_info: IdentifiedKey | WrappedKey | AgreedKey | None
    content: bytes


class GeneralCiphering(Apdu, _Ciphering):
    """general-ciphering: `content` is the security header, the text and, with authentication, the tag."""

    __slots__ = ()
    service: ClassVar[str] = "general-ciphering"
    tag: ClassVar[int] = 0xDD

    def _octets(self, invoke: int | None) -> bytes:
        key = self.key_info
        if key is None:
            info = b"\x00"
        elif isinstance(key, IdentifiedKey):
            info = bytes((1, 0, key.key_id))
        elif isinstance(key, WrappedKey):
            info = bytes((1, 1, key.kek_id)) + encode_octets(key.key_ciphered_data)
        else:
            info = b"\x01\x02" + encode_octets(key.key_parameters) + encode_octets(key.key_ciphered_data)
        return b"\xdd" + b"".join(map(encode_octets, self[:5])) + info + encode_octets(self.content)


class _Signing(NamedTuple):
    transaction_id: bytes
    originator: bytes
    recipient: bytes
    date_time: bytes
    other_information: bytes
    content: bytes
    signature: bytes


class GeneralSigning(Apdu, _Signing):
    """general-signing: `content` is an APDU, `signature` covers it with the header."""

    __slots__ = ()
    service: ClassVar[str] = "general-signing"
    tag: ClassVar[int] = 0xDF

    def _octets(self, invoke: int | None) -> bytes:
        return b"\xdf" + b"".join(map(encode_octets, self))


_HEADER = ("transaction-id", "originator-system-title", "recipient-system-title", "date-time", "other-information")


def _header_at(octets: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes, int]:
    offset = 1
    fields = []
    for name in _HEADER:
        value, offset = octets_at(octets, offset, name)
        fields.append(value)
    transaction_id, originator, recipient, date_time, other = fields
    return transaction_id, originator, recipient, date_time, other, offset


def _parse_block(octets: bytes, checked: bool) -> Parsed:
    _, control, number, acknowledged = _GBT.unpack_from(octets)
    data = last_octets(octets, 6, "block-data")
    block = GeneralBlockTransfer(
        bool(control & _LAST), bool(control & _STREAMING), control & _WINDOW, number, acknowledged, data
    )
    return parsed(None, block)


def _key_info_at(octets: bytes, offset: int) -> tuple[IdentifiedKey | WrappedKey | AgreedKey | None, int]:
    flag = octets[offset]
    if flag == 0:
        return None, offset + 1
    if flag != 1:
        raise unknown_choice(octets, offset, "presence flag").within("key-info")
    choice = octets[offset + 1]
    if choice == 0:
        return IdentifiedKey(octets[offset + 2]), offset + 3
    if choice == 1:
        data, end = octets_at(octets, offset + 3, "key-ciphered-data")
        return WrappedKey(octets[offset + 2], data), end
    if choice == 2:
        parameters, offset = octets_at(octets, offset + 2, "key-parameters")
        data, end = octets_at(octets, offset, "key-ciphered-data")
        return AgreedKey(parameters, data), end
    raise unknown_choice(octets, offset + 1, "key-info choice")


def _parse_ciphering(octets: bytes, checked: bool) -> Parsed:
    transaction_id, originator, recipient, date_time, other, offset = _header_at(octets)
    key, offset = _key_info_at(octets, offset)
    content = last_octets(octets, offset, "ciphered-content")
    if len(content) < HEADER_SIZE:
        raise DecodeError(f"{len(content)} octets cannot hold the security header", offset, ("ciphered-content",))
    return parsed(None, GeneralCiphering(transaction_id, originator, recipient, date_time, other, key, content))


def _parse_signing(octets: bytes, checked: bool) -> Parsed:
    transaction_id, originator, recipient, date_time, other, offset = _header_at(octets)
    content, offset = octets_at(octets, offset, "content")
    signature = last_octets(octets, offset, "signature")
    signing = GeneralSigning(transaction_id, originator, recipient, date_time, other, content, signature)
    return parsed(None, signing)


PARSERS = {0xE0: _parse_block, 0xDD: _parse_ciphering, 0xDF: _parse_signing}

"""Compact frames: values without their headers, which the receiver has from a full frame (EN 13757-3:2018, Annex G).

What follows CI of a compact frame is the format signature, a CRC over the headers of all records; the full frame CRC,
over the records as a full frame has them; and the data of the records alone. A format frame sends the headers alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.crc import crc16
from cosem.mbus.dib import VARIABLE_LENGTH
from cosem.mbus.record import Head, Record, Records, head_at
from cosem.mbus.values import take_variable

PREFIX: Final = 4
"""Octets of signature and CRC."""
MAX_HEADERS: Final = 0xFF - 2
"""Octets of headers in a format frame: its length has one octet and counts the signature."""


class UnknownFormat(DecodeError):
    """A compact frame whose headers nobody has sent yet; `signature` is asked for with a format frame."""

    def __init__(self, what: str, offset: int = 0, path: tuple[str, ...] = (), signature: int = 0) -> None:
        super().__init__(what, offset, path)
        self.signature = signature


def headers_of(records: Records | Iterable[Record]) -> bytes:
    """Return the headers of all records, one after the other."""
    return b"".join(record.head.octets for record in _records(records))


def format_signature(headers: bytes) -> int:
    """Return the format signature of headers."""
    return crc16(headers)


def encode_compact(records: Records | Iterable[Record]) -> bytes:
    """Return what follows CI of the compact frame that stands for these records."""
    items = _records(records)
    full = b"".join(record.octets for record in items)
    head = format_signature(headers_of(items)).to_bytes(2, "little") + crc16(full).to_bytes(2, "little")
    return head + b"".join(record.data for record in items)


def decode_compact(octets: bytes, formats: Mapping[int, bytes]) -> Records:
    """Return the records of a compact frame; `formats` has headers by their signature.

    Raises `UnknownFormat` where the headers are not known, and `DecodeError` where the data do not fit them.
    """
    octets = bytes(octets)
    if len(octets) < PREFIX:
        raise DecodeError("format signature and full frame CRC are missing", len(octets))
    signature, expected = (int.from_bytes(octets[at : at + 2], "little") for at in (0, 2))
    headers = formats.get(signature)
    if headers is None:
        raise UnknownFormat(f"the headers of format {signature:04X} are not known", signature=signature)
    records: list[Record] = []
    at = PREFIX
    for head in split_headers(headers):
        end = take_variable(octets, at) if head.size == VARIABLE_LENGTH else at + head.size
        if end > len(octets):
            raise DecodeError(f"the data of record {len(records)} are cut short", len(octets))
        records.append(Record(head, octets[at:end]))
        at = end
    if at != len(octets):
        raise DecodeError(f"{len(octets) - at} octets behind the data of the last record", at)
    if crc16(b"".join(record.octets for record in records)) != expected:
        raise DecodeError("the full frame CRC is wrong: the headers are of another device, or data are damaged", 2)
    return Records(tuple(records))


def split_headers(headers: bytes) -> tuple[Head, ...]:
    """Return the headers of a format one by one. Raises `DecodeError`."""
    found: list[Head] = []
    at = 0
    while at < len(headers):
        found.append(head_at(headers, at))
        at += found[-1].length
    return tuple(found)


def encode_format(headers: bytes) -> bytes:
    """Return what follows CI of a format frame. Raises `EncodeError` for headers that do not fit one."""
    if len(headers) > MAX_HEADERS:
        raise EncodeError(f"a format frame holds {MAX_HEADERS} octets of headers, not {len(headers)}")
    return bytes((len(headers) + 2,)) + format_signature(headers).to_bytes(2, "little") + headers


def decode_format(octets: bytes) -> tuple[int, bytes]:
    """Return the signature and the headers of a format frame. Raises `DecodeError` where they differ."""
    if len(octets) < 3 or octets[0] != len(octets) - 1:
        raise DecodeError(f"a format frame says its length, and {max(len(octets) - 1, 0)} octets follow")
    signature, headers = int.from_bytes(octets[1:3], "little"), bytes(octets[3:])
    if format_signature(headers) != signature:
        raise DecodeError(f"the format signature is {signature:04X}, that of the headers another", 1)
    split_headers(headers)
    return signature, headers


def _records(records: Records | Iterable[Record]) -> tuple[Record, ...]:
    return records.records if isinstance(records, Records) else tuple(records)

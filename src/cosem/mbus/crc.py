"""The checksum of wireless frames and of compact frames: CRC-16/EN-13757 (EN 13757-4, 12.5; EN 13757-3, Annex G)."""

from __future__ import annotations

from typing import Final

POLYNOMIAL: Final = 0x3D65


def _table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        crc = octet << 8
        for _ in range(8):
            crc = (crc << 1 ^ POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
        table.append(crc)
    return tuple(table)


_TABLE: Final = _table()


def crc16(octets: bytes) -> int:
    """Return the CRC of `octets`: it begins with 0 and is complemented in the end."""
    crc = 0
    for octet in octets:
        crc = (crc << 8 & 0xFF00) ^ _TABLE[crc >> 8 ^ octet]
    return crc ^ 0xFFFF

"""Meters, keys and telegrams for the tests of M-Bus telegrams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cosem.mbus.keys import KeyStore
from cosem.mbus.wireless import Address

DATA = Path(__file__).parents[1] / "data" / "mbus_telegrams.jsonl"
KEY = bytes(range(16))
OTHER_KEY = bytes(range(16, 32))
METER = Address(b"\x93\x15", bytes.fromhex("78563412"), 0x33, 0x03)
RECORDS = bytes.fromhex("2F2F0C1427048502046D32371F1502FD17000000000000000000000000000000")


def lines() -> list[dict[str, Any]]:
    """Return the published telegrams; those of real meters are protected anew under `KEY`."""
    return [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]


def store(*addresses: Address, key: bytes = KEY, key_id: int = 0, **settings: Any) -> KeyStore:
    """Return a store in which each address has one key."""
    keys = KeyStore(**settings)
    for address in addresses or (METER,):
        keys.add(address, key, key_id)
    return keys

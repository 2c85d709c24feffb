"""Published telegrams in clear, and what a public implementation says of their records, brought to exact values."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from cosem.mbus.moments import Moment
from cosem.mbus.record import Record

LONG_HEADER, SHORT_HEADER = 12, 4
FUNCTIONS = {
    "Instantaneous value": 0,
    "Maximum value": 1,
    "Minimum value": 2,
    "Value during error state": 3,
}
PREFIXES = {"my": -6, "m": -3, "k": 3, "M": 6, "0.1": -1, "10": 1, "100": 2}


def wired_payload(octets: bytes) -> bytes | None:
    """Return the records of a long frame with an unprotected transport layer; None for another CI."""
    ci, data = octets[6], octets[7:-2]
    if ci == 0x72:
        return data[LONG_HEADER:]
    return data[SHORT_HEADER:] if ci == 0x7A else None


def wireless_payload(octets: bytes) -> bytes | None:
    """Return the records of a wireless telegram without CRCs; None for another CI."""
    if octets[10] == 0x72:
        return octets[11 + LONG_HEADER :]
    return octets[11 + SHORT_HEADER :] if octets[10] == 0x7A else None


def power_of_ten(words: str) -> int:
    """Return the power of ten that is in words like ``Volume (m m^3)``, ``Energy (10 kWh)`` or ``1e-1  V``."""
    inner = re.search(r"\((.*)\)\s*$", words)
    text = (inner.group(1) if inner else words).strip()
    power = 0
    found = re.match(r"(1e-?\d+|0\.1|100|10|my|m|k|M)\s+(.*)", text)
    if found:
        factor, text = found.groups()
        power = int(factor[2:]) if factor.startswith("1e") else PREFIXES[factor]
    found = re.match(r"([mkM])(Wh|W|J)", text.strip())
    return power + (PREFIXES[found.group(1)] if found else 0)


def disagreement(record: Record, said: dict[str, Any]) -> str:
    """Return in a word what differs between a record and what the peer said of it; nothing where they agree."""
    for key, ours in (("StorageNumber", record.storage), ("Tariff", record.tariff), ("Device", record.subunit)):
        if key in said and int(said[key]) != ours:
            return key
    if FUNCTIONS[said["Function"]] != record.function:
        return "function"
    value, text = record.value, said["Value"]
    if isinstance(value, Moment):
        ours_text = value.isoformat() or ""
        return "" if text in (ours_text, f"{ours_text}:00") else "moment"
    if not isinstance(value, Decimal):
        return "" if value == text else "text"
    try:
        theirs = Decimal(text).scaleb(power_of_ten(said.get("Unit") or "") if record.unit else 0)
    except ArithmeticError:
        return "number"
    if isinstance(record.raw, float):
        return "" if abs(value - theirs) <= abs(theirs) / 100_000 + Decimal("1e-9") else "float"
    return "" if value == theirs else "value"

"""How pages say things: times in the site's zone, exact numbers, and words of strangers made harmless."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from cosem.errors import CosemError
from cosem.obis import obis
from cosem.obis_names import words
from cosem.units import scaled

LONGEST: Final = 120
_REPLACED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
PILLS: Final = {
    "in use": "ok", "done": "ok", "read": "ok", "active": "ok", "finished": "ok",
    "registered": "quiet", "waiting": "quiet", "acknowledged": "quiet", "cancelled": "quiet", "expired": "quiet",
    "removed": "quiet", "paused": "quiet", "shut out": "quiet", "running": "info", "sending": "info", "new": "info",
    "unconfirmed": "warn", "suspended": "warn", "uncertain": "bad", "failed": "bad", "open": "bad", "fraud": "bad",
    "held": "warn", "aborted": "bad", "ready": "info", "skipped": "quiet", "withdrawn": "quiet",
}  # fmt: skip
"""How the words of states are coloured; the word itself is always there."""


def shown(text: object, longest: int = LONGEST) -> str:
    """Return a stranger's words for a page: one line, nothing that turns the text around it, not too long.

    Escaping is the template's: this is about what stays dangerous as text.
    """
    found = str(text)
    clipped = found[:longest]
    clean = "".join("\ufffd" if unicodedata.category(sign) in _REPLACED else sign for sign in clipped)
    return clean + ("…" if len(found) > longest else "")


def pill(word: str) -> str:
    """Return the class of a state's word."""
    return PILLS.get(word, "quiet")


def number(value: int | Decimal | None, places: int | None = None) -> str:
    """Return a number with thin spaces between thousands; a dash for none."""
    if value is None:
        return "–"
    text = f"{value:,}" if places is None else f"{value:,.{places}f}"
    return text.replace(",", "\u202f").replace("-", "\u2212")


def in_unit(value: int, scaler: int, unit: str) -> tuple[str, str]:
    """Return a stored value and its unit as people read them: kWh where a meter counts Wh."""
    exact = scaled(value, scaler)
    if unit in ("Wh", "varh", "VAh", "W", "var", "VA") and abs(exact) >= 1000:
        return number(exact.scaleb(-3).normalize() + Decimal("0.000"), 3), "k" + unit
    return number(exact), unit


def share(part: int, whole: int) -> str:
    """Return a share in percent; 100 only where nothing is missing."""
    if not whole:
        return "–"
    found = Decimal(part * 100) / whole
    if part < whole and found > Decimal("99.9"):
        found = Decimal("99.9")
    return f"{found:.1f} %"


def age(seconds: int) -> str:
    """Return how long something is ago, as people say it."""
    days = max(0, seconds) // 86_400
    if days >= 730:
        return f"{days // 365} years"
    return "today" if not days else "1 day" if days == 1 else f"{days} days"


def size(octets: int) -> str:
    """Return a size in a unit that suits it."""
    if octets < 1000:
        return f"{octets} octets"
    return f"{octets / 1000:.1f} kB" if octets < 1_000_000 else f"{octets / 1_000_000:.1f} MB"


def channel_words(name: str) -> str:
    """Return what an OBIS code measures, in words; nothing for a channel with a name of its own."""
    try:
        # What stands behind the code tells it from others: a medium, days, a scaler.
        return words(obis(name.partition(" ")[0]))
    except (CosemError, ValueError):
        return ""


def times(zone: ZoneInfo) -> dict[str, Callable[[Any], str]]:
    """Return what templates say times with: `moment` for people, `iso` for machines, others for less or more of it."""

    def local(seconds: int) -> datetime:
        return datetime.fromtimestamp(seconds, UTC).astimezone(zone)

    return {
        "moment": lambda seconds: "–" if seconds is None else f"{local(seconds):%Y-%m-%d %H:%M}",
        "clock": lambda seconds: "–" if seconds is None else f"{local(seconds):%H:%M}",
        "to_the_second": lambda seconds: "–" if seconds is None else f"{local(seconds):%Y-%m-%d %H:%M:%S}",
        "second": lambda seconds: "–" if seconds is None else f"{local(seconds):%H:%M:%S}",
        "day": lambda seconds: "–" if seconds is None else f"{local(seconds):%a %d %b}",
        "iso": lambda seconds: datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z"),
    }

"""Names that go into topics, identifiers and templates: whatever a device or channel is called, nothing escapes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from cosem.errors import ConfigError
from cosem.obis_names import explain

LONGEST: Final = 64
_KEPT: Final = 4096
"""Names kept: channels are few, and each is asked for again and again."""
SAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
CHANNEL: Final = re.compile(
    r"(?P<code>\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3})(?:\.(?P<f>\d{1,3}))?"
    r"(?::(?P<attribute>\d{1,3}))?(?: (?P<often>daily|monthly))?(?P<other> \(1e-?\d{1,3} [^()]{0,20}\))?",
    re.ASCII,
)
"""How channels are named that were learned of profiles; others may be called anything."""
_DROPPED: Final = (", time integral 1 (meter reading)", ", total", ", current value", ", instantaneous")
"""What everybody expects who looks at a meter, and only makes names long."""


def slug(name: str, number: int) -> str:
    """Return one level of a topic for a device: its name where that is harmless, otherwise with its number behind.

    A full stop is in no harmless name, so that two devices never share one.
    """
    text = SAFE.sub("_", name)[:LONGEST]
    return text if text == name else f"{text}.{number}"


@lru_cache(maxsize=_KEPT)
def key(channel: str, number: int) -> str:
    """Return how a channel is called in the state of a device: its OBIS code, short, or its number.

    There is no character in it that ends a text in a template.
    """
    found = CHANNEL.fullmatch(channel)
    if found is None:
        return f"channel {number}"
    earlier = "" if found["f"] in (None, "255") else f".{found['f']}"
    attribute = f" attribute {found['attribute']}" if found["attribute"] else ""
    # The same code in another scaler is a channel of its own.
    other = f" channel {number}" if found["other"] else ""
    often = f" {found['often']}" if found["often"] else ""
    return f"{found['code']}{earlier}{attribute}{other}{often}"


@lru_cache(maxsize=_KEPT)
def component(text: str) -> str:
    """Return a key as part of an identifier."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


@lru_cache(maxsize=_KEPT)
def words(channel: str) -> str:
    """Return what a channel measures, in words for a person; its own name where nobody knows."""
    found = CHANNEL.fullmatch(channel)
    if found is None:
        return channel[:LONGEST]
    code = found["code"] + (f".{found['f']}" if found["f"] else "")
    try:
        explained = explain(code)
    except ConfigError:
        return channel
    text = explained.words if explained.known else channel
    for part in _DROPPED:
        text = text.replace(part, "")
    often = f" ({found['often']})" if found["often"] else ""
    return text[:1].upper() + text[1:200] + often

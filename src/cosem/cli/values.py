"""Values and times as people write them on a command line."""

from __future__ import annotations

from datetime import datetime
from math import isnan
from typing import Any

import click

from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.codec.json import from_json, loads, shown
from cosem.errors import ConfigError, CosemError
from cosem.pushes.reading import NUMBERS

_INTEGERS = NUMBERS | {Tag.ENUM, Tag.BCD}

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


def parse_value(text: str, like: Data | None, declared: Any = None) -> Data:
    """Return `text` as `Data`: typed JSON as it says, otherwise in the type of `like` or of the declaration.

    Raises `ConfigError` with one sentence that says what was expected.
    """
    if text.lstrip().startswith("{"):
        return from_json(loads(text, shown(text)))
    if (code := _code(text, declared)) is not None:
        return code
    tag = like.tag if like is not None else _only_tag(declared)
    if tag is None:
        raise ConfigError(f'the type of {text!r} cannot be told: write it as JSON, for example {{"unsigned": 3}}')
    try:
        data = _of_tag(text, tag)
        axdr.encode(data)
    except (ValueError, CosemError):
        raise ConfigError(f"{text!r} is no {tag.label}, which is what stands there") from None
    return data


def _code(text: str, declared: Any) -> Data | None:
    """Return the code that `text` names in words; None where the type has no such word."""
    from cosem.classes.datatype import EnumType
    from cosem.classes.words import enum_words

    if not isinstance(declared, EnumType):
        return None
    wanted = text.strip().lower().replace("_", " ")
    members = declared.members.__members__.values()
    return next((declared.to_data(member) for member in members if enum_words(member).lower() == wanted), None)


def _only_tag(declared: Any) -> Tag | None:
    tags: frozenset[Tag] = getattr(declared, "tags", frozenset())
    return next(iter(tags)) if len(tags) == 1 else None


def _of_tag(text: str, tag: Tag) -> Data:
    if tag in _INTEGERS:
        return Data(tag, int(text, 0))
    if tag in (Tag.FLOAT32, Tag.FLOAT64):
        return Data(tag, float(text))
    if tag is Tag.BOOLEAN:
        words = {
            "true": True,
            "yes": True,
            "1": True,
            "on": True,
            "false": False,
            "no": False,
            "0": False,
            "off": False,
        }
        if text.lower() not in words:
            raise ValueError(text)
        return Data(tag, words[text.lower()])
    if tag in (Tag.VISIBLE_STRING, Tag.UTF8_STRING):
        return Data(tag, text)
    if tag is Tag.BIT_STRING:
        if set(text) - {"0", "1"}:
            raise ValueError(text)
        return Data(tag, text)
    if tag is Tag.NULL_DATA:
        return axdr.null()
    if tag in (Tag.OCTET_STRING, Tag.DATE_TIME):
        return Data(tag, _octets(text))
    raise ValueError(text)


def _octets(text: str) -> bytes:
    """Octets are hex, a date-time in ISO 8601, or text in single quotes."""
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].encode("utf-8")
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    from cosem.times import CosemDateTime

    return CosemDateTime.from_datetime(datetime.fromisoformat(text)).to_octets()


def parse_number(text: str) -> int | None:
    """Return a whole number in plain decimal digits, None for anything else (also for one of no use: over 9 digits)."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= 9 else None


def parse_time(text: str) -> datetime:
    """Return an ISO 8601 date or date-time; without a zone it is the meter's local time. Raises `ConfigError`."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no time: write 2026-11-24 or 2026-11-24T15:30 or with +01:00 behind") from None


class NumberRange(click.FloatRange):
    """A number between two bounds; what is no number at all (nan) lies between none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or say what is wrong with it."""
        if isinstance(found := super().convert(value, param, ctx), float) and isnan(found):
            self.fail(f"{value} is no number.", param, ctx)
        return found

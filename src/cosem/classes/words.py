"""Values in words: enumerations, units and status bits as people read them, each with its number behind."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any, Final

from cosem.classes.datatype import DataType, EnumType, FlagsType, name_words
from cosem.classes.model import lookup
from cosem.classes.types import flags, unsigned
from cosem.obis import Obis
from cosem.times import ClockStatus, CosemDate, CosemDateTime, CosemTime
from cosem.units import Unit

MANY: Final = 50
"""Elements of an array that are still written out."""


class ProfileStatus(IntFlag):
    """Bits of the status of a profile's rows, 0-b:96.10.x, as the companion specifications of Europe set them."""

    CRITICAL_ERROR = 0x01
    CLOCK_INVALID = 0x02
    DATA_NOT_VALID = 0x04
    DAYLIGHT_SAVING = 0x08
    CLOCK_ADJUSTED = 0x20
    POWER_DOWN = 0x80


profile_status: Final = flags(ProfileStatus, unsigned)


def coded_type(class_id: int, name: Obis, attribute: int) -> EnumType[Any] | FlagsType[Any] | None:
    """Return the type of an attribute whose numbers are codes or bits; None where they are numbers, or unknown."""
    kind: DataType[Any] | None = None
    if (class_id, attribute) == (1, 2):
        # What a Data object holds is told by its name alone.
        kind = profile_status if name[0] == 0 and name[2:4] == bytes((96, 10)) else None
    elif (declared := lookup(class_id)) is not None and attribute in declared.attributes:
        kind = declared.attributes[attribute].type
    return kind if isinstance(kind, (EnumType, FlagsType)) else None


def enum_words(member: IntEnum) -> str:
    """Return the name of a code in words, ``unknown (9)`` where the declaration has it not."""
    label: str | None = getattr(member, "label", None)
    return name_words(member.name) if label is None else label


def flag_words(value: IntFlag) -> str:
    """Return the bits that are set in words, ``none`` where no bit is; bits without a name by their number."""
    known = [flag for flag in type(value) if flag in value and flag.value]
    rest = int(value) & ~sum(flag.value for flag in known)
    words = [name_words(str(flag.name)) for flag in known]
    words += [f"bit {bit}" for bit in range(rest.bit_length()) if rest >> bit & 1]
    return ", ".join(words) or "none"


def coded(value: IntEnum | IntFlag) -> str:
    """Return a code or mask in words with its number: ``connected (1)``, ``clock invalid, power down (130)``."""
    if isinstance(value, IntFlag):
        return f"{flag_words(value)} ({int(value)})"
    words = enum_words(value)
    if isinstance(value, Unit):
        words = value.symbol or words
    return words if words.endswith(f"({int(value)})") else f"{words} ({int(value)})"


def value_words(value: Any) -> str:
    """Return a typed value in words: fields by name, codes and bits as `coded`, octets as text, date-time or hex."""
    if isinstance(value, (IntEnum, IntFlag)):
        return coded(value)
    if isinstance(value, CosemDateTime):
        status = value.clock_status
        return f"{value.isoformat()} ({flag_words(ClockStatus(status))})" if status else value.isoformat()
    if isinstance(value, (CosemDate, CosemTime)):
        return value.isoformat()
    if isinstance(value, Obis):
        return str(value)
    if isinstance(value, bytes):
        return _octets(value)
    if isinstance(value, tuple):
        names = getattr(value, "_fields", None)
        if names:
            return ", ".join(f"{name} {value_words(item)}" for name, item in zip(names, value, strict=True))
        return "; ".join(value_words(item) for item in value) if len(value) <= MANY else f"{len(value)} elements"
    return str(value)


def _octets(value: bytes) -> str:
    if len(value) == 12:
        moment = CosemDateTime.from_octets(value)
        if moment.in_range:
            return moment.isoformat()
    if value and all(0x20 <= octet < 0x7F for octet in value):
        return value.decode("ascii")
    return value.hex()

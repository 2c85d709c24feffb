"""Forms that come back with what was filled in and what is wrong beside each field; and which devices are meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from cosem.errors import ConfigError
from cosem.headend.inventory import Kind
from cosem.headend.plans import Selection
from cosem.headend.schema import device, device_group, device_tag, device_type

MANY: Final = 40
"""Groups, types or tags that are shown as boxes; where there are more, names are written down."""
LONGEST_LIST: Final = 20_000
_T = TypeVar("_T")
WHOLE: Final = ""
"""Where what is wrong with the form as a whole stands among its fields."""


class Filled:
    """What somebody filled in. `wrong` says by the names of fields what is not right; nothing is begun then."""

    def __init__(self, given: Mapping[str, Sequence[str]]) -> None:
        self._given = {name: [str(value) for value in values] for name, values in given.items()}
        self.wrong: dict[str, str] = {}

    @classmethod
    def of(cls, form: Any) -> Filled:
        """Return the fields of a form that was sent."""
        return cls({name: [item for item in form.getlist(name) if isinstance(item, str)] for name in form})

    def all(self, name: str) -> list[str]:
        """Return all values of a field."""
        return self._given.get(name, [])

    def get(self, name: str) -> str:
        """Return a field as it was filled in."""
        return "".join(self.all(name)[:1])

    def has(self, name: str, value: str = "1") -> bool:
        """Whether a box is ticked."""
        return value in self.all(name)

    def refuse(self, name: str, why: str) -> None:
        """Say what is wrong with a field; what was said first stays."""
        self.wrong.setdefault(name, why)

    def text(self, name: str, longest: int = 200, *, needed: bool = True) -> str:
        """Return a line of text."""
        value = self.get(name).strip()
        if needed and not value:
            self.refuse(name, "Please fill this in.")
        elif len(value) > longest:
            self.refuse(name, f"At most {longest} signs.")
        elif not value.isprintable():
            self.refuse(name, "One line of printable signs.")
        return value

    def whole(self, name: str, least: int, most: int, *, needed: bool = True) -> int | None:
        """Return a whole number; None where it is wrong, or may be and is left out."""
        value = self.text(name, 20, needed=needed)
        if not value:
            return None
        digits = value[1:] if least < 0 and value.startswith("-") else value
        if not digits.isascii() or not digits.isdecimal() or not least <= int(value) <= most:
            self.refuse(name, f"A whole number from {least} to {most}.")
            return None
        return int(value)

    def lines(self, name: str, most: int = LONGEST_LIST) -> tuple[str, ...]:
        """Return the names of a field: boxes that are ticked, or one name a line."""
        found = [line.strip() for value in self.all(name) for line in value.splitlines()]
        names = tuple(dict.fromkeys(line for line in found if line))
        if len(names) > most:
            self.refuse(name, f"At most {most} names.")
        return names

    def moment(self, name: str, zone: ZoneInfo, now: int) -> int | None:
        """Return a date and time of day, which is to come, in UTC seconds; None where it is left out or wrong."""
        value = self.text(name, 30, needed=False)
        if not value:
            return None
        try:
            at = int(datetime.fromisoformat(value).replace(tzinfo=zone).timestamp())
        except (ValueError, OverflowError):
            self.refuse(name, "A date and time, as in 2026-11-30T02:00.")
            return None
        if at <= now:
            self.refuse(name, "This time is over.")
            return None
        return at

    def attempt(self, name: str, make: Callable[[], _T]) -> _T | None:
        """Return what is made; where the making is refused, its words stand beside the field."""
        try:
            return make()
        except ConfigError as error:
            self.refuse(name, sentence(str(error)))
            return None


def sentence(words: str) -> str:
    """Return an error as a sentence of its own."""
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


# --- which devices --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from. None: there are too many for boxes."""

    kinds: tuple[str, ...]
    types: tuple[str, ...] | None
    groups: tuple[str, ...] | None
    tags: tuple[str, ...] | None


_NAMES: Final = {
    "types": device_type.c.name,
    "groups": device_group.c.name,
    "tags": device_tag.c.tag,
    "names": device.c.name,
}
_ONE: Final = {"types": "type", "groups": "group", "tags": "tag", "names": "device"}


def choices(connection: Connection) -> Choices:
    """Return the kinds, types, groups and tags there are."""
    found: list[tuple[str, ...] | None] = []
    for name in ("types", "groups", "tags"):
        column = _NAMES[name]
        rows = connection.execute(select(column).distinct().order_by(column).limit(MANY + 1)).scalars().all()
        found.append(tuple(rows) if len(rows) <= MANY else None)
    return Choices(tuple(kind.value for kind in Kind), *found)


def filled_in(chosen: Selection) -> dict[str, list[str]]:
    """Return a selection as the fields of a form."""
    some = any((chosen.kinds, chosen.types, chosen.groups, chosen.tags, chosen.names))
    return {
        "who": ["some" if some else "all"],
        "kinds": [kind.value for kind in chosen.kinds],
        **{name: list(getattr(chosen, name)) for name in _NAMES},
    }


def selection(filled: Filled, connection: Connection) -> Selection:
    """Return which devices are meant. That all are has to be said: an empty form means nobody."""
    if filled.get("who") == "all":
        if any(filled.lines(name) for name in ("kinds", *_NAMES)):
            filled.refuse("who", "Something is chosen below: take it away, or choose those that fit.")
        return Selection()
    kinds = tuple(Kind(name) for name in filled.lines("kinds") if name in list(Kind))
    given = {name: filled.lines(name) for name in _NAMES}
    if not kinds and not any(given.values()):
        filled.refuse("who", "Say which devices: choose something here, or all devices in use.")
    for name, names in given.items():
        unknown = _unknown(connection, _NAMES[name], names)
        if unknown:
            filled.refuse(name, f"There is no {_ONE[name]} {unknown[0][:100]!r}.")
    return Selection(kinds, **given)


def _unknown(connection: Connection, column: Any, names: tuple[str, ...]) -> list[str]:
    known: set[str] = set()
    for start in range(0, len(names), 500):
        known.update(connection.execute(select(column).where(column.in_(names[start : start + 500]))).scalars())
    return [name for name in names if name not in known]


def selection_words(chosen: Selection) -> str:
    """Return a selection for people."""
    parts = [", ".join(kind.value for kind in chosen.kinds)] if chosen.kinds else []
    for name, word in _ONE.items():
        names = getattr(chosen, name)
        if names:
            some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            parts.append(f"{word} {some}")
    return "; ".join(parts) or "all devices in use"


def local(seconds: int, zone: ZoneInfo) -> str:
    """Return a time as a field for date and time has it."""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone(zone):%Y-%m-%dT%H:%M}"

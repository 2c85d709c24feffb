"""Patterns of OBIS codes: any value, lists and ranges in each group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cosem.errors import ConfigError
from cosem.obis import DEFAULTS, Obis

_ANY = r"\*|\[[^][]*\]|\d{1,3}"
_SPAN = rf"{_ANY}|\d{{1,3}}-\d{{1,3}}"
_REDUCED_PATTERN = re.compile(
    rf"""(?:(?P<a>{_ANY})-)?(?:(?P<b>{_ANY}):)?                  # A-B:, each may be left out
    (?P<c>{_SPAN})\.(?P<d>{_SPAN})(?:\.(?P<e>{_SPAN}))?           # C.D.E
    (?:[.*&](?P<f>{_SPAN}))?                                     # F
    """,
    re.VERBOSE | re.ASCII,
)
_DOTTED_PATTERN = re.compile(
    rf"(?P<a>{_SPAN})\.(?P<b>{_SPAN})\.(?P<c>{_SPAN})\.(?P<d>{_SPAN})\.(?P<e>{_SPAN})[.*&](?P<f>{_SPAN})", re.ASCII
)
_VALUES = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?", re.ASCII)


class ObisPattern:
    """Codes that look alike: ``1-0:*.8.*``, ``0-[1-4]:24.2.1``, ``1-0:[1,2,5-8].8.0``, ``1-0:1.8.1-4.*``.

    A group is a value, ``*`` for any, or values and ranges in brackets; C to F may be a range without them. What is
    left out is what `Obis.parse` fills in: write ``1-0:1.8.0.*`` for the values of all billing periods.
    """

    __slots__ = ("_match", "text", "values")

    def __init__(self, text: str) -> None:
        """Read a pattern; `ConfigError` where it is none. `values` are the values each group may have."""
        self.text = text.strip()
        match = _DOTTED_PATTERN.fullmatch(self.text) or _REDUCED_PATTERN.fullmatch(self.text)
        if match is None:
            raise ConfigError(f"{text[:40]!r} is no pattern of OBIS codes: write it as 1-0:*.8.* or 0-[1-4]:24.2.1")
        self.values: tuple[frozenset[int], ...] = tuple(
            _values(match[name], default, text) for name, default in DEFAULTS.items()
        )
        # A regular expression over the six octets is what matches fastest.
        groups = (b"[" + b"".join(b"\\x%02x" % value for value in sorted(group)) + b"]" for group in self.values)
        self._match = re.compile(b"".join(groups), re.DOTALL).fullmatch

    def matches(self, code: bytes) -> bool:
        """Say whether `code`, an `Obis` or its six octets, is one of these."""
        return self._match(code) is not None

    def filter(self, codes: Iterable[Obis]) -> Iterator[Obis]:
        """Yield those of `codes` that match."""
        return (code for code in codes if self._match(code) is not None)

    def __contains__(self, code: object) -> bool:
        return isinstance(code, bytes) and self.matches(code)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObisPattern) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"ObisPattern({self.text!r})"


def _values(text: str | None, default: int, whole: str) -> frozenset[int]:
    if text is None:
        return frozenset((default,))
    if text == "*":
        return frozenset(range(256))
    values: set[int] = set()
    for part in text.strip("[]").split(","):
        match = _VALUES.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= 255:
            raise ConfigError(
                f"{whole[:40]!r} is no pattern of OBIS codes: {part.strip()[:40]!r} is no value or range up to 255"
            )
        values.update(range(first, last + 1))
    return frozenset(values)

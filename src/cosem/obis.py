"""OBIS codes: the six value groups that name every COSEM object (IEC 62056-61, Blue Book part 1)."""

from __future__ import annotations

import re

from cosem.errors import ConfigError

_REDUCED = re.compile(
    r"""^\s*
    (?:(?P<a>\d{1,3})-(?P<b>\d{1,3}):)?           # A-B:
    (?P<c>\d{1,3})\.(?P<d>\d{1,3})                # C.D
    (?:\.(?P<e>\d{1,3}))?                         # .E
    (?:[.*&](?P<f>\d{1,3}))?                      # *F, &F or .F
    \s*$""",
    re.VERBOSE,
)
_DOTTED = re.compile(r"^\s*\d{1,3}(?:\.\d{1,3}){5}\s*$")
_HEX = re.compile(r"^\s*[0-9a-fA-F]{12}\s*$")


class Obis(bytes):
    """A logical name: six octets A, B, C, D, E, F. Equal to, and usable as, those `bytes`."""

    __slots__ = ()

    def __new__(cls, octets: bytes) -> Obis:
        """Take exactly six octets; raise `ConfigError` otherwise."""
        if len(octets) != 6:
            raise ConfigError(f"a logical name has 6 octets, not {len(octets)}")
        return super().__new__(cls, octets)

    @classmethod
    def parse(cls, text: str) -> Obis:
        """Read ``1-0:1.8.0*255``, ``1-0:1.8.0``, ``1.0.1.8.0.255``, ``1.8.0`` or twelve hex digits.

        Groups left out are A = 1, B = 0, E = 0 (where only C.D stands) and F = 255. Raises `ConfigError`.
        """
        if _HEX.match(text):
            return cls(bytes.fromhex(text.strip()))
        if _DOTTED.match(text):
            groups = [int(part) for part in text.strip().split(".")]
        elif match := _REDUCED.match(text):
            defaults = {"a": 1, "b": 0, "c": 0, "d": 0, "e": 0, "f": 255}
            groups = [int(match[name]) if match[name] is not None else default for name, default in defaults.items()]
        else:
            raise ConfigError(f"{text!r} is no OBIS code: write it as 1-0:1.8.0, 1-0:1.8.0*255 or 1.0.1.8.0.255")
        for name, value in zip("ABCDEF", groups, strict=True):
            if value > 255:
                raise ConfigError(f"{text!r} is no OBIS code: group {name} is {value}, the largest is 255")
        return cls(bytes(groups))

    @property
    def groups(self) -> tuple[int, int, int, int, int, int]:
        """Return the value groups A to F."""
        a, b, c, d, e, f = self
        return a, b, c, d, e, f

    def __str__(self) -> str:
        a, b, c, d, e, f = self
        return f"{a}-{b}:{c}.{d}.{e}.{f}"

    def __repr__(self) -> str:
        return f"Obis({str(self)!r})"


def obis(value: str | bytes | Obis) -> Obis:
    """Return `value` as an `Obis`, from text or from six octets."""
    if isinstance(value, Obis):
        return value
    return Obis.parse(value) if isinstance(value, str) else Obis(value)

"""OBIS codes: the six value groups that name every COSEM object (IEC 62056-61, Blue Book part 1)."""

from __future__ import annotations

import re
from functools import lru_cache

from cosem.errors import ConfigError

_REDUCED = re.compile(
    r"""(?:(?P<a>\d{1,3})-)?(?:(?P<b>\d{1,3}):)?     # A-B:, each may be left out
    (?P<c>\d{1,3}|[CFLP])\.(?P<d>\d{1,3}|[CFLP])    # C.D
    (?:\.(?P<e>\d{1,3}))?                           # .E
    (?:[.*&](?P<f>\d{1,3}))?                         # *F, &F (reset by hand) or .F
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_DOTTED = re.compile(r"\d{1,3}(?:\.\d{1,3}){4}[.*&]\d{1,3}", re.ASCII)
_HEX = re.compile(r"(?:0x)?[0-9a-f]{2}(?P<between>[ :-]?)(?:[0-9a-f]{2}(?P=between)){4}[0-9a-f]{2}", re.IGNORECASE)
_LETTERS = {"C": 96, "F": 97, "L": 98, "P": 99}
"""Letters for groups C and D in readouts of IEC 62056-21: service, error, list, profile."""
DEFAULTS = {"a": 1, "b": 0, "c": 0, "d": 0, "e": 0, "f": 255}
"""What a group is where it is left out."""


class Obis(bytes):
    """A logical name: six octets A, B, C, D, E, F. Equal to, hashed and ordered as, and usable as, those `bytes`."""

    __slots__ = ()

    def __new__(cls, octets: bytes) -> Obis:
        """Take exactly six octets; raise `ConfigError` otherwise."""
        if len(octets) != 6:
            raise ConfigError(f"a logical name has 6 octets, not {len(octets)}")
        return super().__new__(cls, octets)

    @classmethod
    def parse(cls, text: str) -> Obis:
        """Read ``1-0:1.8.0*255``, ``1-0:1.8.0``, ``1.0.1.8.0.255``, ``1.8.0``, ``C.1.0`` or twelve hex digits.

        F follows a ``*``, a ``.``, or a ``&`` where a reset by hand made the value.
        Groups left out are A = 1, B = 0, E = 0 (where only C.D stands) and F = 255. Raises `ConfigError`.
        """
        code = text.strip()
        if match := _HEX.fullmatch(code):
            digits = code[2:] if code[1:2] in "xX" else code
            return cls(bytes.fromhex(digits.replace(match["between"] or " ", "")))
        if _DOTTED.fullmatch(code):
            groups = [int(part) for part in code.replace("*", ".").replace("&", ".").split(".")]
        elif match := _REDUCED.fullmatch(code):
            groups = [_group(match[name], default) for name, default in DEFAULTS.items()]
        else:
            raise ConfigError(f"{text[:40]!r} is no OBIS code: write it as 1-0:1.8.0, 1-0:1.8.0*255 or 1.0.1.8.0.255")
        for name, value in zip("ABCDEF", groups, strict=True):
            if value > 255:
                raise ConfigError(f"{text[:40]!r} is no OBIS code: group {name} is {value}, the largest is 255")
        return cls(bytes(groups))

    @property
    def groups(self) -> tuple[int, int, int, int, int, int]:
        """Return the value groups A to F."""
        a, b, c, d, e, f = self
        return a, b, c, d, e, f

    def __str__(self) -> str:
        a, b, c, d, e, f = self
        return f"{a}-{b}:{c}.{d}.{e}.{f}"

    def __format__(self, form: str) -> str:
        """Write it as ``full`` 1-0:1.8.0*255, ``dotted`` 1.0.1.8.0.255, ``reduced`` 1.8.0, ``hex``; else as `str`.

        ``reduced`` leaves out what `parse` fills in again. Raises `ConfigError` for a form there is not.
        """
        a, b, c, d, e, f = self
        if form == "full":
            return f"{a}-{b}:{c}.{d}.{e}*{f}"
        if form == "dotted":
            return f"{a}.{b}.{c}.{d}.{e}.{f}"
        if form == "hex":
            return self.hex()
        if form == "reduced":
            return (f"{a}-{b}:" if (a, b) != (1, 0) else "") + f"{c}.{d}.{e}" + (f"*{f}" if f != 255 else "")
        if form:
            raise ConfigError(f"an OBIS code is written as full, dotted, reduced or hex, not as {form!r}")
        return str(self)

    def __repr__(self) -> str:
        return f"Obis({str(self)!r})"


def _group(text: str | None, default: int) -> int:
    if text is None:
        return default
    return int(text) if text.isdecimal() else _LETTERS[text.upper()]


def obis(value: str | bytes | Obis) -> Obis:
    """Return `value` as an `Obis`, from text or from six octets."""
    if isinstance(value, Obis):
        return value
    return _read(value) if isinstance(value, str) else Obis(value)


_read = lru_cache(maxsize=4096)(Obis.parse)
"""Devices are built of the same few names again and again."""

"""System titles (Green Book ed. 9, 4.3.4): eight octets, the first three name the manufacturer."""

from __future__ import annotations

from cosem.errors import ConfigError


class SystemTitle(bytes):
    """A system title; equal to, and usable as, its eight octets."""

    __slots__ = ()

    def __new__(cls, octets: bytes) -> SystemTitle:
        """Take exactly eight octets; raise `ConfigError` otherwise."""
        if len(octets) != 8:
            raise ConfigError(f"a system title has 8 octets, not {len(octets)}")
        return super().__new__(cls, octets)

    @property
    def manufacturer(self) -> str | None:
        """Return the FLAG identification of three letters, or None where the octets are no letters."""
        letters = self[:3]
        return letters.decode("ascii") if letters.isalpha() and letters.isupper() else None

    def __str__(self) -> str:
        name = self.manufacturer
        return f"{name}-{self[3:].hex().upper()}" if name else self.hex().upper()

    def __repr__(self) -> str:
        return f"SystemTitle({self.hex()!r})"

"""A serial line as a link wants it: speed and character format, which mode E changes while the line is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cosem.errors import ConfigError

PARITIES = {"none": "N", "even": "E", "odd": "O"}
MAX_BAUD = 4_000_000
"""Faster than any serial adapter; a typing error in a URL stands out."""


class LineSettings(NamedTuple):
    """Speed in Bd, data bits (5 to 8), parity (``"N"``, ``"E"`` or ``"O"``) and stop bits (1 or 2)."""

    baud: int = 9600
    databits: int = 8
    parity: str = "N"
    stopbits: int = 1

    def checked(self) -> LineSettings:
        """Return these settings. Raises `ConfigError` where no port has them."""
        if not 0 < self.baud <= MAX_BAUD:
            raise ConfigError(f"a serial line has 1 to {MAX_BAUD} Bd, not {self.baud}")
        if self.databits not in (5, 6, 7, 8) or self.stopbits not in (1, 2) or self.parity not in PARITIES.values():
            raise ConfigError(f"{self} is no character format of a serial line")
        return self

    def seconds(self, octets: int) -> float:
        """Return how long so many characters take."""
        bits = 1 + self.databits + (self.parity != "N") + self.stopbits
        return octets * bits / self.baud

    def __str__(self) -> str:
        return f"{self.baud} Bd {self.databits}{self.parity}{self.stopbits}"


class Line:
    """What the link above says about the line, and who carries it out.

    A link sets `settings`, always after what it sent before has had its time on the line; `watch` names the one who
    holds the port and is told of every change.
    """

    def __init__(self, settings: LineSettings) -> None:
        self._settings = settings
        self._told: Callable[[LineSettings], None] | None = None

    @property
    def settings(self) -> LineSettings:
        """The settings from now on."""
        return self._settings

    @settings.setter
    def settings(self, settings: LineSettings) -> None:
        if settings == self._settings:
            return
        self._settings = settings
        if self._told is not None:
            self._told(settings)

    def watch(self, told: Callable[[LineSettings], None] | None) -> None:
        """Have `told` called at every change from now on; None ends that."""
        self._told = told

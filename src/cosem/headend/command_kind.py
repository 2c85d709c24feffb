"""A kind of command: what it takes, how it is carried out, and how one sees afterwards that it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from cosem.client.async_meter import AsyncMeter
from cosem.errors import ConfigError, CosemError
from cosem.headend.inventory import DeviceRow
from cosem.obis import obis

Parameters = Mapping[str, Any]
Act = Callable[[AsyncMeter, Parameters], Awaitable[Any]]
Check = Callable[[AsyncMeter, Parameters], Awaitable[bool]]
Keep = Callable[[Connection, DeviceRow, Any, int], Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `check` prepares parameters (raises `ConfigError`), `act` does it and returns what JSON can say.

    `seen` reads back whether it took effect. `repeatable` says that doing it twice is doing it once. `grave` wants a
    second person where that is configured. `verify` raises what says that the values make no sense. `keep` writes down
    what was answered (at UTC seconds), in the transaction in which the command is done. `stranger`: it may be done on a
    M-Bus channel whoever is there.
    """

    name: str
    words: str
    parameters: Mapping[str, type | tuple[type, ...]]
    act: Act
    seen: Check | None = None
    repeatable: bool = False
    grave: bool = False
    required: tuple[str, ...] = ()
    verify: Callable[[Parameters], object] | None = None
    keep: Keep | None = None
    stranger: bool = False

    def through(self, row: DeviceRow, given: Parameters) -> Parameters:
        """Return the parameters for a device: of one that is read through another, that one is told the channel.

        Raises `ConfigError` where such a device cannot be told this at all.
        """
        if not row.is_child:
            return given
        if "channel" not in self.parameters:
            raise ConfigError(f"{row.name} is reached through {row.parent}, which knows no {self.name!r} for a channel")
        if given.get("channel", row.channel) != row.channel:
            raise ConfigError(f"{row.name} is on channel {row.channel} of {row.parent}, not on {given['channel']}")
        given = {**given, "channel": row.channel}
        return {**given, "meter": row.meter} if "meter" in self.parameters and row.meter else given

    def check(self, given: Parameters) -> dict[str, Any]:
        """Return the parameters. Raises `ConfigError` for unknown ones, wrong types, and what is missing."""
        for name, value in given.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ConfigError(f"{self.name}: {name!r} is no parameter; there are: {known}")
            if not isinstance(value, self.parameters[name]) or isinstance(value, bool) != (
                self.parameters[name] is bool
            ):
                raise ConfigError(f"{self.name}: {name} has the wrong type")
        for name in self.required:
            if name not in given:
                raise ConfigError(f"{self.name}: {name} is missing")
        for name in ("object", "limiter"):
            if name in given:
                obis(given[name])
        if self.verify is not None:
            try:
                self.verify(given)
            except (CosemError, ValueError, TypeError, OverflowError) as error:
                raise ConfigError(f"{self.name}: {error}") from None
        return dict(given)

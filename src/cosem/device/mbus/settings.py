"""How the M-Bus of a meter is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cosem.errors import ConfigError
from cosem.mbus.link_fields import BAUD_CI

CLOSED, OPEN, RELEASED = "closed", "open", "released"
"""Where a valve is. A released one waits for a person."""


@dataclass(frozen=True, slots=True)
class ValveCodes:
    """How a device speaks of its valve: the records to command it and to tell where it is, and their numbers.

    Remote control (FD 1F) and digital output (FD 1A) are the standard's; which number does what is each maker's. `open`
    is for valves that may be opened from afar.
    """

    command: bytes = b"\x01\xfd\x1f"
    close: int = 0
    release: int = 1
    open: int = 1
    position: bytes = b"\x01\xfd\x1a"
    positions: Mapping[int, str] = field(default_factory=lambda: {0: CLOSED, 1: OPEN, 2: RELEASED})


@dataclass(frozen=True, slots=True)
class MBusChannel:
    """One channel. `values`: how many value objects; `capture_period` in seconds, 0 for none; `mode` of its valve.

    Mode 1: nobody opens a gas valve from afar. A `wireless` channel hears its device and cannot order it anything.
    """

    number: int
    wireless: bool = False
    values: int = 4
    capture_period: int = 0
    mode: int = 1
    valve: ValveCodes = field(default_factory=ValveCodes)


@dataclass(frozen=True, slots=True)
class SlaveSettings:
    """How the meter is a slave: manufacturer's letters, version, speed at first and at most. Raises `ConfigError`."""

    manufacturer: str = "CSM"
    version: int = 1
    baud: int = 2400
    fastest: int = 9600
    max_pdu_size: int = 1024

    def __post_init__(self) -> None:
        if self.baud not in BAUD_CI or self.fastest not in BAUD_CI or self.baud > self.fastest:
            raise ConfigError(f"a port has speeds of a bus: {self.baud}, {self.fastest} Bd")


@dataclass(frozen=True, slots=True)
class MBusSettings:
    """The M-Bus of a meter: its channels, the `version` of class 72 (0 or 1), and what the standard leaves open.

    `failures`: readouts that fail until a device counts as lost. `day_begins`: the local hour at which the day of daily
    values begins (6 for gas days). `baud`: the speed of the bus. `days` daily and `months` monthly rows are kept, and
    the hours of as many days. `slave`: the meter is also a slave of somebody else's bus. Raises `ConfigError`.
    """

    channels: tuple[MBusChannel, ...] = tuple(MBusChannel(number) for number in range(1, 5))
    version: int = 1
    failures: int = 3
    day_begins: int = 0
    baud: int = 2400
    days: int = 100
    months: int = 24
    slave: SlaveSettings | None = None

    def __post_init__(self) -> None:
        numbers = [channel.number for channel in self.channels]
        if len(numbers) > LARGEST_CHANNEL:
            raise ConfigError(f"{len(numbers)} devices on the M-Bus: there are channels 1 to {LARGEST_CHANNEL}")
        if len(set(numbers)) != len(numbers) or not all(1 <= number <= LARGEST_CHANNEL for number in numbers):
            raise ConfigError(f"channels have numbers of their own, 1 to {LARGEST_CHANNEL}: {numbers}")
        if self.version not in (0, 1):
            raise ConfigError(f"class 72 has versions 0 and 1 here, not {self.version}")
        if self.baud not in BAUD_CI or not 0 <= self.day_begins <= 23 or self.failures < 1:
            raise ConfigError("M-Bus: baud of a bus, day_begins 0 to 23, failures from 1 on")


LARGEST_CHANNEL: Final = 64
"""What group B of a logical name has for channels."""

"""How an end opens an optical port: the standard's times, and what real meters and heads need beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cosem.errors import ConfigError
from cosem.link.line import LineSettings
from cosem.link.mode_e.messages import BAUD, HDLC, Identification, opening


@dataclass(frozen=True, slots=True)
class ModeETimes:
    """Seconds (IEC 62056-21, 6.4.3 and annex B, where no other reason is given).

    `reaction` lies between what came and our answer, `quick_reaction` where the meter's third letter is small;
    `longest_reaction` is what the other side may take, `inter_character` the longest gap within a message. `wake_up`
    is how long nulls are sent to a battery-operated meter, `wake_pause` the silence behind them.

    Ours: `slack` for adapters and drivers, `margin` from our last character to a change of the line, `settle` from
    the confirmation to the first frame (meters need it to change their port), `inactivity` until a meter goes back to
    mode E when no HDLC connection is opened.
    """

    reaction: float = 0.2
    quick_reaction: float = 0.02
    longest_reaction: float = 1.5
    inter_character: float = 1.5
    wake_up: float = 2.2
    wake_pause: float = 1.6
    slack: float = 0.5
    margin: float = 0.02
    settle: float = 0.3
    inactivity: float = 120.0


LONGEST_MESSAGE = 8.0
"""Seconds from the first try to the end of its answer at the most, whatever keeps coming: 64 characters at 300 Bd take
2.2, and a line that never pauses is noise."""


METER = Identification("CSM", "5", HDLC, "COSEM")
"""What a meter of ours says: 9600 Bd, HDLC."""


@dataclass(frozen=True, slots=True)
class ModeESettings:
    """One end of mode E.

    `baud` is the speed of the opening. `address` (client) asks for one of several devices on the port, and is the own
    address of a server ("": hears any). `max_baud` limits the speed that a client chooses. `software_parity` has the
    line carry 7E1 in eight bits, for ports that only know 8N1. `wake_up` sends nulls first. `tries` is how often the
    opening is sent. `insist` selects HDLC although the identification does not offer it; `confirmation` false goes on
    without the meter's confirmation, which not every meter sends. `identification` is what a server says.
    """

    baud: int = 300
    address: str = ""
    max_baud: int | None = None
    software_parity: bool = False
    wake_up: bool = False
    tries: int = 3
    insist: bool = False
    confirmation: bool = False
    identification: Identification = METER
    times: ModeETimes = field(default_factory=ModeETimes)

    def __post_init__(self) -> None:
        opening(self.address)
        self.identification.encode()
        self.initial.checked()
        if self.max_baud is not None and self.max_baud < min(BAUD.values()):
            raise ConfigError(f"max_baud is at least {min(BAUD.values())}, not {self.max_baud}")
        if self.tries < 1:
            raise ConfigError("an opening is sent once at least")

    @property
    def initial(self) -> LineSettings:
        """The line before the speed changes."""
        return self.seven_bits(self.baud)

    def seven_bits(self, baud: int) -> LineSettings:
        """The line of text messages at a speed."""
        return LineSettings(baud, 8, "N", 1) if self.software_parity else LineSettings(baud, 7, "E", 1)

    @property
    def seconds(self) -> float:
        """How long a client may take until HDLC begins, where every step takes its longest."""
        times = self.times
        wake = times.wake_up + times.wake_pause if self.wake_up else 0.0
        return wake + self.tries * LONGEST_MESSAGE + 2 * times.longest_reaction + times.slack + times.settle

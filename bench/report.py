"""One line of the table, and how it is printed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One figure. `peers` maps a peer's name to its seconds; `goal` is a ratio, or an absolute `unit` figure;
    None where the figure stands alone."""

    what: str
    ours: float
    goal: float | None = None
    peers: dict[str, float] | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        """Return how many times quicker than the better peer we are, or None where no peer can do it."""
        return min(self.peers.values()) / self.ours if self.peers else None

    @property
    def reached(self) -> bool:
        """Whether the goal is met."""
        if self.goal is None:
            return True
        return self.ratio >= self.goal if self.ratio is not None else self.ours <= self.goal

    def to_json(self) -> dict[str, Any]:
        """Return the line for a machine."""
        return {**asdict(self), "ratio": self.ratio, "reached": self.reached}


def _figure(value: float, unit: str) -> str:
    if unit == "/s":
        return f"{value:.0f} /s"
    if unit != "s":
        return f"{value:.1f} {unit}"
    for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= factor:
            return f"{value / factor:.1f} {name}"
    return f"{value * 1e9:.0f} ns"


def print_lines(lines: list[Line]) -> None:
    """Print the table."""
    print(f"{'':52} {'ours':>10} {'better peer':>22} {'ratio':>8} {'goal':>9}")
    for line in lines:
        peer = ratio = ""
        if line.peers:
            name = min(line.peers, key=lambda key: line.peers[key])  # type: ignore[index]
            peer = f"{_figure(line.peers[name], line.unit)} {name}"
            ratio = f"{line.ratio:.1f} x"
        goal = "" if line.goal is None else f"{line.goal:g} x" if line.peers else _figure(line.goal, line.unit)
        mark = "" if line.reached else "  below the goal"
        print(f"{line.what:52} {_figure(line.ours, line.unit):>10} {peer:>22} {ratio:>8} {goal:>9}{mark}")

"""A load profile drawn in a terminal: one column of block characters per value."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"


def plot(values: Sequence[float], *, height: int = 8, unit: str = "", labels: tuple[str, str] = ("", "")) -> list[str]:
    """Return the lines of a bar plot of `values`, with an axis at the left and `labels` under its two ends.

    Values below zero are drawn as zero; an empty sequence gives no lines.
    """
    if not values:
        return []
    top = max(max(values), 0) or 1
    steps = [max(0, min(height * 8, round(value / top * height * 8))) for value in values]
    scale = [_axis(top * (row + 1) / height) for row in range(height)]
    width = max(len(text) for text in scale)
    lines = []
    for row in reversed(range(height)):
        cells = "".join(_BLOCKS[max(0, min(8, step - row * 8))] for step in steps)
        # Every other row is named: enough to read, and quiet to look at.
        name = scale[row] if row % 2 else ""
        lines.append(f"{name:>{width}} │{cells}")
    lines.append(f"{'0':>{width}} └{'─' * len(steps)}")
    left, right = labels
    if left or right:
        gap = max(1, len(steps) - len(left) - len(right))
        lines.append(f"{unit:>{width}}  {left}{' ' * gap}{right}")
    return lines


def _axis(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def sparkline(values: Sequence[float]) -> str:
    """Return `values` as one line of block characters."""
    top = max(values, default=0) or 1
    return "".join(_BLOCKS[max(0, min(8, round(max(value, 0) / top * 8)))] for value in values)

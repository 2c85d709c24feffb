"""How a figure is taken: several rounds, one after the other for all rivals, the median of each."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

ROUNDS = 5
TARGET = 0.05  # seconds a round should last at least


def _time(call: Callable[[], object], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number


def _number(call: Callable[[], object]) -> int:
    call()
    once = _time(call, 1)
    return max(1, min(20_000, int(TARGET / max(once, 1e-7))))


def medians(calls: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median seconds per call of each; the rounds alternate, so that a slow moment hits all alike."""
    numbers = {name: _number(call) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                samples[name].append(_time(call, numbers[name]))
    finally:
        gc.enable()
    return {name: statistics.median(values) for name, values in samples.items()}

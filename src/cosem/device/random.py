"""Randomness that can be repeated, for simulations only."""

from __future__ import annotations

import random
from collections.abc import Callable

from cosem.errors import ConfigError

Random = Callable[[int], bytes]


class SeededRandom:
    """Gives the same octets for the same seed. Worthless for secrets, so real devices refuse it."""

    simulation_only = True

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def __call__(self, count: int) -> bytes:
        """Return `count` octets."""
        return self._random.randbytes(count)


def accept_random(source: Random, *, simulation: bool) -> Random:
    """Return `source`; raise `ConfigError` where a seeded one would guard a real device."""
    if getattr(source, "simulation_only", False) and not simulation:
        raise ConfigError("a seeded source of randomness is for simulations only: it can be guessed")
    return source

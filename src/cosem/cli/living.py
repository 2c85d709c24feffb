"""Devices that live while the command line serves them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cosem.cli.output import note

TICK = 1.0
"""Seconds between looks at the time where nobody asks."""
SHORT = 0.01
"""Seconds between looks where a device is behind its time; enough for others to be heard."""


async def tick(live: Callable[[], bool]) -> None:
    """Let a device live also while nobody asks; `live` says whether it is in time."""
    in_time, told = True, False
    while True:
        await asyncio.sleep(TICK if in_time else SHORT)
        was, in_time = in_time, live()
        if not (in_time or was or told):
            told = True
            note("this machine cannot let it live that fast: it lives as fast as it can, and answers in between")

"""A hundred kills: `make soak`. Prints the account; fails with what did not hold."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.killed import READY_SECONDS, world


def main() -> None:
    """Kill a head-end at random moments while it collects and commands."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--meters", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder, world(Path(folder) / "office", arguments.meters) as headend:
        headend.start()
        following = headend.counters()
        for number in range(1, arguments.kills + 1):
            headend.begin()
            time.sleep(chance.random() * 4)
            headend.kill()
            before, following = following, headend.counters()
            assert all(following[name] >= value for name, value in before.items())
            headend.start()
            if number % 10 == 0:
                headend.rest()
                print(f"{number} kills: {headend.check()}", flush=True)
        headend.rest()
        print(headend.check())
        # The first start is of an empty folder: nothing was killed before it.
        shares, waited = headend.restarts[1:], headend.waited[1:]
        print(f"ready again by the clock after {median(waited):.1f} s in the median, {max(waited):.1f} s at most")
        own = [READY_SECONDS * share for share in shares]
        print(f"by the part of the machine that was left for it {median(own):.1f} s, {max(own):.1f} s at most")
        assert max(shares) < 1


if __name__ == "__main__":
    main()

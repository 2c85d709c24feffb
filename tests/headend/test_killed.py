"""Killed in the middle of runs and commands: everything accounted for, no counter and no command used twice."""

from __future__ import annotations

import json
import random
import signal
import time
from urllib.request import urlopen

from support.killed import world


def test_killed_in_the_middle_of_a_run_and_started_again(tmp_path):
    chance = random.Random(7)
    with world(tmp_path / "office", meters=4) as headend:
        headend.start()
        following = headend.counters()
        for how in (signal.SIGKILL, signal.SIGTERM):
            headend.begin()
            time.sleep(1.0 + chance.random() * 1.5)
            # Once killed, once told to end: in the middle of it both times.
            assert headend.kill(how) == (-9 if how is signal.SIGKILL else 0)
            before, following = following, headend.counters()
            assert all(following[name] >= number for name, number in before.items())
            headend.start()
        with urlopen(headend.api + "/api/health", timeout=10) as answer:
            assert json.load(answer) == {"status": "ok"}
        headend.rest()
        account = headend.check()
        assert account["runs"] == 2
        assert account["done"] + account["uncertain"] == 8
        assert max(headend.restarts) < 1
        # An end that is asked for is an orderly one.
        assert headend.kill(signal.SIGTERM) == 0
    lines = [json.loads(line) for line in (tmp_path / "office" / "serve.log").read_text().splitlines()]
    assert lines[-1]["what"] == "stopped"
    assert {"time", "level", "from", "what"} <= set(lines[0])

"""Measure everything and print one table: what, ours, the better peer, the ratio, the goal."""

from __future__ import annotations

import argparse
import json
import platform

from bench import cases, gas, headend, mbus, plc, sessions, transfers, years
from bench.report import Line, print_lines


def main() -> None:
    """Run the benchmark; `--json` prints figures for a machine, `--only` keeps the lines that contain a word."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    lines: list[Line] = []
    rest = (
        mbus.mbus_telegrams,
        mbus.mbus_models,
        transfers.block_transfer,
        sessions.sessions,
        headend.headend_sessions,
        headend.headend_lists,
        years.year,
        plc.power_line,
    )
    for case in (*cases.CASES, *gas.CASES, *rest):
        if arguments.only in case.__name__:
            lines += case()
    if arguments.json:
        print(json.dumps([line.to_json() for line in lines], indent=2))
        return
    print(f"Python {platform.python_version()} on {platform.machine()}, medians of alternating rounds")
    print_lines(lines)


main()

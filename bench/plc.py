"""A feeder of a thousand meters on a power line: found, and the day's load profile of every one read, ciphered."""

from __future__ import annotations

import time

from bench.report import Line
from cosem.plc.llc import LlcSettings
from cosem.plc.mac_frame import MAX_SDU, MAX_SUBFRAMES
from cosem.simulator.feeder import random_feeder
from cosem.simulator.power_line_site import PowerLineSite

METERS = 1_000
GOAL = 180.0
"""Seconds of one core for everything."""


def _channel_limit(site: PowerLineSite) -> float:
    """Return the octets of M_sdu a second that the line carries at best: longest frames, one behind the other."""
    return MAX_SDU / float(MAX_SUBFRAMES * site.network.settings.rate.slot_time)


def power_line(meters: int = METERS) -> list[Line]:
    """Time discovery and reading once, on one core, and print what a real network would have needed on the wire."""
    site = PowerLineSite(random_feeder(meters, seed=1), seed=1, llc=LlcSettings(MAX_SDU))
    network = site.network
    begun = time.process_time()
    network.discover()
    found = time.process_time() - begun
    wire_found = network.medium.seconds
    registered = len(network.initiator.registry.registered)
    begun = time.process_time()
    report = site.read_profiles().report
    read = time.process_time() - begun
    wire_read = network.medium.seconds - wire_found
    share = network.initiator.carried / wire_read / _channel_limit(site)
    what = f"power line, {registered} of {meters} meters found"
    return [
        Line(what, found),
        Line("  on the wire", wire_found / 60, unit="min"),
        Line(f"  {len(report.read)} load profiles, {report.rows} values, GMAC and both", read),
        Line("  on the wire", wire_read / 3600, unit="h"),
        Line("  share of what the line carries at best", 100 * share, unit="%"),
        Line("  both", found + read, GOAL),
    ]

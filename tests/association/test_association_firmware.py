"""Values as long as firmware, over HDLC lines that lose, double and alter frames, with windows of every size."""

from __future__ import annotations

from typing import Any

import pytest

from association.association_world import ENERGY, METHOD, POWER, World, world
from cosem.apdu import ActionRequestNormal, GetRequestNormal, SetRequestNormal
from cosem.association.conversations import release
from cosem.association.steps import Call
from cosem.codec import axdr
from cosem.conformance_block import LN_ALL, LN_CORE, Conformance
from cosem.link.base import Discarded, Link
from cosem.link.hdlc.link import HdlcLink
from cosem.link.hdlc.parameters import HdlcParameters
from cosem.link.memory import PERFECT, LineQuality

FIRMWARE = 512 * 1024
BAD = LineQuality(loss=0.02, duplication=0.01, corruption=0.02, delay=0.02, jitter=0.01)
FORMS = [(0, 0, "glo"), (5, 0x30, "ded")]


def line(form: tuple[int, int, str], info: int, window: int, conformance: Conformance, **other: Any) -> World:
    parameters = HdlcParameters(info, info, window, window)

    def link(server: bool) -> Link:
        return HdlcLink(server=server, parameters=parameters)

    made = world(*form, link=link, conformance=conformance, response_timeout=120.0, **other)
    made.initiator.settings.conformance = conformance
    made.associate()
    return made


def image(both: World, size: int) -> bytes:
    return axdr.encode(axdr.octet_string(both.random.randbytes(size)))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_firmware_is_set_by_general_block_transfer_over_a_bad_line(form: tuple[int, int, str]) -> None:
    both = line(form, 512, 7, LN_ALL, server_pdu=2048, max_pdu_size=2048, block_window=63)
    firmware = image(both, FIRMWARE)
    both.driver.pipe.quality = BAD
    assert both.call(Call(SetRequestNormal(POWER, None, firmware))).result == 0
    assert both.objects.values[POWER] == firmware
    assert both.objects.protections.count(form[1]) == 1, "carried out once"
    both.run(release(both.initiator))


@pytest.mark.parametrize("window", range(1, 8))
@pytest.mark.parametrize("conformance", [LN_ALL, LN_CORE], ids=["general blocks", "blocks of the service"])
def test_long_values_go_both_ways_with_every_window(window: int, conformance: Conformance) -> None:
    both = line(FORMS[1], 128, window, conformance, server_pdu=512, max_pdu_size=300, block_window=9, seed=window + 100)
    long = image(both, 20_000)
    both.objects.values[ENERGY] = long
    both.driver.pipe.quality = BAD
    assert both.call(Call(SetRequestNormal(POWER, None, long))).result == 0
    assert both.objects.values[POWER] == long
    assert both.call(Call(GetRequestNormal(ENERGY, None))).data == long
    assert both.call(Call(ActionRequestNormal(METHOD, long))).data == long
    assert both.objects.actions == [(METHOD, long)]


@pytest.mark.parametrize("theirs", [1, 3, 7])
@pytest.mark.parametrize("mine", [1, 4, 7])
def test_each_side_keeps_to_the_lengths_and_the_window_of_the_other(mine: int, theirs: int) -> None:
    """Both information lengths and both windows differ, and nobody is sent more than it takes."""
    from cosem.link.hdlc.splitter import FrameSplitter

    ours, meters = HdlcParameters(60 + mine, 200, mine, 7), HdlcParameters(150, 40 + theirs, 6, theirs)

    def link(server: bool) -> Link:
        return HdlcLink(server=server, parameters=meters if server else ours)

    both = world(link=link, server_pdu=1024)
    both.associate()
    both.objects.values[ENERGY] = long = image(both, 2000)
    seen: dict[int, list[list[int]]] = {0: [[]], 1: [[]]}
    send = both.driver.pipe.send

    def spy(side: int, octets: bytes, now: float) -> None:
        for item in FrameSplitter().feed(octets):
            assert not isinstance(item, Discarded)
            frame = item[0]
            if frame.kind == "I":
                seen[side][-1].append(len(frame.info))
            if frame.pf:
                seen[side].append([])
        send(side, octets, now)

    both.driver.pipe.send = spy  # type: ignore[method-assign]
    assert both.call(Call(GetRequestNormal(ENERGY, None))).data == long
    assert both.call(Call(SetRequestNormal(POWER, None, long))).result == 0
    longest, widest = min(60 + mine, 40 + theirs), min(mine, theirs)
    assert max(max(turn, default=0) for turn in seen[0]) == longest
    assert max(len(turn) for turn in seen[0]) == widest
    assert max(max(turn, default=0) for turn in seen[1]) == 150
    assert max(len(turn) for turn in seen[1]) == 6


def test_a_perfect_line_repeats_nothing() -> None:
    both = line(FORMS[0], 512, 7, LN_ALL, server_pdu=2048, max_pdu_size=2048, block_window=63, quality=PERFECT)
    firmware = image(both, 100_000)
    before = both.driver.steps
    assert both.call(Call(SetRequestNormal(POWER, None, firmware))).result == 0
    # Some 50 blocks of some 2000 octets, in rows of 8; each row a few turns of seven frames.
    assert both.driver.steps - before < 120

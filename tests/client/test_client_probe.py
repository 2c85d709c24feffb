"""Probing in memory: meters behind other framings and addresses, short names only, silence, and what is no meter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.apdu.acse import Aare
from cosem.association.responder import Responder
from cosem.client.probe import (
    ASSOCIATED,
    CLOSED,
    DISCONNECTED,
    FOREIGN,
    HDLC,
    LINK_ONLY,
    MAX_ATTEMPTS,
    MAX_SERIAL_ATTEMPTS,
    OPENED,
    REFUSED,
    SILENT,
    SPEEDS,
    UNREACHABLE,
    WRAPPER,
    Attempt,
    Outcome,
    ProbeMachine,
    Report,
    attempt,
    plan,
    probe,
    serial_plan,
)
from cosem.client.url import MeterUrl
from cosem.device.random import SeededRandom
from cosem.io.memory import MemoryDriver
from cosem.link.base import Address, ApduReceived
from cosem.link.hdlc.frame import HdlcAddress, build
from cosem.link.hdlc.link import HdlcLink
from cosem.link.hdlc.splitter import FrameSplitter
from cosem.link.wrapper import WrapperLink
from support.served import make_meter

METER = make_meter(days=0.05)


class Stub:
    """A peer without associations: `answers` turns what came into what goes back."""

    def __init__(self, answers: Callable[[bytes], bytes]) -> None:
        self.answers = answers
        self.out = b""

    def receive(self, octets: bytes, now: float) -> None:
        self.out += self.answers(octets)

    def take(self) -> bytes:
        out, self.out = self.out, b""
        return out

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing: there are no timers."""

    def lost(self, now: float) -> None:
        self.out = b""


def run(peer: Callable[[], Any], candidates: list[Attempt], sent: list[bytes] | None = None) -> Report:
    """Probe a peer in virtual time; every try meets a new one."""
    steps = probe(candidates)
    trying = next(steps)
    while True:
        machine = ProbeMachine(trying, 1.0)
        if sent is not None:
            take = machine.take

            def kept(take: Callable[[], bytes] = take) -> bytes:
                octets = take()
                sent.append(octets)
                return octets

            machine.take = kept  # type: ignore[method-assign]
        outcome = MemoryDriver(machine, peer()).run(attempt(machine, SeededRandom(1)))
        try:
            trying = steps.send(outcome)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def wrapped() -> Callable[[], Any]:
    return lambda: Responder(WrapperLink(server=True), METER.device, SeededRandom(2))


def hdlc(physical: int | None = None, size: int | None = None) -> Callable[[], Any]:
    """Return a meter on HDLC that hears one lower address only, in `size` octets only."""

    def accepts(address: Address) -> bool:
        return address.physical == physical and METER.device.association_profile(address) is not None

    class Picky(HdlcLink):
        def receive(self, octets: bytes, now: float) -> Any:
            heard = b""
            for item in FrameSplitter().feed(octets):
                if isinstance(item, tuple) and hasattr(item[0], "destination"):
                    frame, raw = item
                    if size is None or len(frame.destination.octets) == size:
                        heard += raw
            return super().receive(heard, now)

    return lambda: Responder(Picky(server=True, accepts=accepts), METER.device, SeededRandom(2))


def test_a_meter_as_the_url_says_costs_one_try() -> None:
    for framing, peer in ((WRAPPER, wrapped()), (HDLC, hdlc())):
        report = run(peer, plan(framing))
        assert len(report.tried) == 1
        assert report.outcome.kind == ASSOCIATED
        assert report.found is not None
        assert report.found.framing == framing
        assert (1, report.outcome.name) in report.outcome.devices
        assert report.outcome.name.startswith("CSM")
        assert report.outcome.name in report.words()[1]


def test_the_other_framing_is_found() -> None:
    assert run(hdlc(), plan(WRAPPER)).url("meter", 4059) == "hdlc+tcp://meter:4059?client=16&server=1"
    assert run(wrapped(), plan(HDLC)).url("::1", 4059) == "tcp://[::1]:4059?client=16&server=1"


@pytest.mark.parametrize(("physical", "size"), [(17, 2), (16, 2), (1, 2), (17, 4), (16, 4), (1, 4)])
def test_physical_addresses_and_their_lengths(physical: int, size: int) -> None:
    report = run(hdlc(physical, size), plan(HDLC))
    assert report.outcome.kind == ASSOCIATED
    assert report.found == Attempt(HDLC, 1, physical, size)
    url = MeterUrl.parse(report.url("meter", 4059) or "")
    assert (url.framing, url.client, url.server, url.physical) == (HDLC, 16, 1, physical)
    assert (url.address_size or 2) == size


def test_an_unusual_address_is_tried_first_where_the_url_names_it() -> None:
    report = run(hdlc(1234, 4), plan(HDLC, 1, 1234, 4))
    assert len(report.tried) == 1
    assert report.outcome.kind == ASSOCIATED
    assert run(hdlc(1234, 4), plan(HDLC)).found is None


def _short_names_only(silent: bool, framing: str) -> Callable[[], Any]:
    """A meter that knows short names alone: others it refuses, or passes over."""

    def peer() -> Any:
        link: Any = WrapperLink(server=True) if framing == WRAPPER else HdlcLink(server=True, accepts=lambda _: True)

        def answers(octets: bytes) -> bytes:
            for event in link.receive(octets, 0.0):
                if isinstance(event, ApduReceived) and event.octets[0] == 0x60:
                    named = event.octets[12]
                    if named == 2:
                        initiate = bytes.fromhex("0800065F1F040000181802000007")
                        link.send(event.address, Aare(2, user_information=initiate).encode(), 0.0)
                    elif not silent:
                        link.send(event.address, Aare(2, 1, "user", 2).encode(), 0.0)
                elif isinstance(event, ApduReceived) and event.octets[0] == 0x62:
                    link.send(event.address, bytes.fromhex("6303800100"), 0.0)
            return bytes(link.take())

        return Stub(answers)

    return peer


@pytest.mark.parametrize(("framing", "silent"), [(WRAPPER, False), (HDLC, False), (HDLC, True)])
def test_short_names(framing: str, silent: bool) -> None:
    report = run(_short_names_only(silent, framing), plan(framing))
    assert report.found is not None
    assert report.found.referencing == "sn"
    assert report.outcome.kind == ASSOCIATED
    assert "short names" in " ".join(report.words())
    assert [end.kind for _, end in report.tried] == [LINK_ONLY if silent else REFUSED, ASSOCIATED]
    assert "referencing=sn" in (report.url("meter", 4059) or "")


def test_a_meter_that_lets_nobody_in_is_found_all_the_same() -> None:
    def refuses(octets: bytes) -> bytes:
        link = WrapperLink(server=True)
        link.receive(octets, 0.0)
        link.send(Address(16, 1), Aare(1, 1, "user", 13).encode(), 0.0)
        return link.take()

    report = run(lambda: Stub(refuses), plan(WRAPPER))
    assert (len(report.tried), report.outcome.kind) == (1, REFUSED)
    assert "does not let the public client in" in report.words()[1]
    assert report.url("meter", 1) == "tcp://meter:1?client=16&server=1"


def test_a_station_that_does_not_connect() -> None:
    def says_dm(octets: bytes) -> bytes:
        if octets[:1] != b"\x7e":
            return b""
        return build(HdlcAddress.of(16).octets, HdlcAddress.of(1).octets, 0x1F)

    report = run(lambda: Stub(says_dm), plan(HDLC))
    assert report.found is None
    assert report.tried[0][1].kind == DISCONNECTED
    assert "HDLC is spoken here" in report.words()[0]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"SSH-2.0-dropbear\r\n", "SSH"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "TLS"),
        (b"\x68\x05\x05\x68\x08\x00\x72\x00\x00\x7a\x16", "M-Bus"),
        (b"/ABC5METER\r\n", "62056-21"),
    ],
)
@pytest.mark.parametrize("framing", [WRAPPER, HDLC])
def test_something_else_ends_the_probe_at_once(octets: bytes, words: str, framing: str) -> None:
    report = run(lambda: Stub(lambda _: octets), plan(framing))
    assert (len(report.tried), report.found, report.outcome.kind) == (1, None, FOREIGN)
    assert words in report.words()[0]
    assert report.to_json("meter", 1)["url"] is None


def test_unknown_octets_do_not_end_it_but_are_shown() -> None:
    report = run(lambda: Stub(lambda _: b"\xf0\x0f\xf0"), plan(WRAPPER))
    assert len(report.tried) == len(plan(WRAPPER))
    assert "F0 0F F0" in report.words()[0]


def test_frames_of_the_other_kind_show_the_way() -> None:
    frame = build(HdlcAddress.of(16).octets, HdlcAddress.of(1).octets, 0x73)
    report = run(lambda: Stub(lambda octets: frame if octets[:1] != b"\x7e" else b""), plan(WRAPPER, 5))
    assert [tried.framing for tried, _ in report.tried][:2] == [WRAPPER, HDLC]


def test_silence_ends_and_nothing_secret_or_private_was_sent() -> None:
    sent: list[bytes] = []
    candidates = plan(WRAPPER, 3, 99, 4)
    report = run(lambda: Stub(lambda _: b""), candidates, sent)
    assert len(report.tried) == len(candidates) <= MAX_ATTEMPTS
    assert report.found is None
    assert report.outcome.kind == SILENT
    assert "nothing answers" in report.words()[0]
    # An AARQ with a password or a challenge would name a mechanism (element 8B) and carry a value (AC).
    asked = [octets for octets in sent if b"\x60" in octets[8:9]]
    assert len(asked) == 2
    assert not any(b"\x8b\x07" in octets or b"\xac" in octets for octets in asked)


@given(
    st.lists(
        st.sampled_from((ASSOCIATED, REFUSED, LINK_ONLY, DISCONNECTED, FOREIGN, CLOSED, SILENT, UNREACHABLE)),
        min_size=MAX_ATTEMPTS + 1,
        max_size=MAX_ATTEMPTS + 1,
    ),
    st.sampled_from((WRAPPER, HDLC)),
    st.integers(0, 0x3FFF),
    st.none() | st.integers(0, 0x3FFF),
    st.booleans(),
)
def test_every_course_of_events_ends_in_words(
    kinds: list[str], framing: str, server: int, physical: int | None, refused: bool
) -> None:
    steps = probe(plan(framing, server, physical))
    tried = [next(steps)]
    report = None
    for kind in kinds:
        try:
            tried.append(steps.send(Outcome(kind, "a reason", b"\x7e\xa0\x00", context_refused=refused)))
        except StopIteration as stop:
            report = stop.value
            break
    assert report is not None
    assert len(set(tried)) == len(tried) == len(report.tried) <= MAX_ATTEMPTS + 1
    assert all(item.client == 16 for item in tried)
    assert len([kind for kind in kinds[: len(tried)] if kind == ASSOCIATED]) <= 1
    assert report.words()
    assert (report.url("meter", 1) is None) == (report.found is None)
    assert len(report.to_json("meter", 1)["tried"]) == len(tried)


# --- serial ports ----------------------------------------------------------------------------------------------


def on_port(url: str, *outcomes: Outcome) -> tuple[Report, list[Attempt]]:
    """Probe a serial port whose tries end as told, in silence behind that."""
    parsed = MeterUrl.parse(url)
    assert parsed.serial is not None
    steps = probe(serial_plan(parsed.serial, parsed.server, parsed.physical, parsed.address_size))
    tried = [next(steps)]
    ends = iter(outcomes)
    while True:
        try:
            tried.append(steps.send(next(ends, Outcome(SILENT))))
        except StopIteration as stop:
            return stop.value, tried


def test_a_silent_port_is_tried_at_every_speed_and_by_mode_e_within_a_limit() -> None:
    report, tried = on_port("hdlc+serial:///dev/ttyUSB0?baud=2400")
    assert len(tried) <= MAX_SERIAL_ATTEMPTS
    assert tried[0].port is not None
    assert tried[0].port.line.baud == 2400
    assert {item.port.line.baud for item in tried if item.port and item.port.mode_e is None} == set(SPEEDS)
    assert sum(1 for item in tried if item.port and item.port.mode_e is not None) == 1
    assert report.found is None
    assert "by HDLC at several speeds and by mode E" in report.words()[0]
    assert "tried" in report.to_json("", 0)


def test_an_optical_port_that_opens_is_not_opened_again() -> None:
    opened = Outcome(OPENED, "CSM opens the port", baud=4800, identification="CSM COSEM")
    report, tried = on_port("optical:///dev/ttyUSB0?max_baud=4800", opened, Outcome(SILENT), Outcome(ASSOCIATED))
    assert [item.port.mode_e is not None for item in tried if item.port] == [True, False, False]
    assert {item.port.line.baud for item in tried[1:] if item.port} == {4800}
    url = report.url("", 0)
    assert url is not None
    assert url.startswith("optical:///dev/ttyUSB0?max_baud=4800&client=16&server=1&physical=")
    assert MeterUrl.parse(url).physical == tried[-1].physical
    assert "Mode E opened the port; HDLC goes on at 4800 Bd." in report.words()


def test_an_optical_port_whose_addresses_are_all_silent_is_told_in_words() -> None:
    report, tried = on_port("optical:///dev/ttyUSB0", Outcome(OPENED, baud=9600))
    assert len(tried) == 7
    assert "no HDLC address that was tried answers" in report.words()[0]


def test_a_speed_at_which_hdlc_is_spoken_is_kept() -> None:
    silent = [Outcome(SILENT)] * 8
    report, tried = on_port("hdlc+serial:///dev/ttyUSB0", *silent, Outcome(DISCONNECTED))
    assert tried[8].port is not None
    assert {item.port for item in tried[8:]} == {tried[8].port}
    assert tried[8].port.line.baud != 9600
    assert "HDLC is spoken here" in report.words()[0]


def test_a_meter_of_another_mode_ends_a_probe_with_its_words() -> None:
    heard = b"/ABC5 meter\r\n"
    report, tried = on_port("optical:///dev/ttyUSB0", Outcome(FOREIGN, "identifies itself for mode C", heard))
    assert len(tried) == 1
    assert report.words() == ["Something comes that is no meter of HDLC or mode E: identifies itself for mode C."]


def test_noise_at_one_speed_leaves_the_others() -> None:
    noise = Outcome(FOREIGN, "unknown octets: FF", b"\xff")
    report, tried = on_port("hdlc+serial:///dev/ttyUSB0?baud=1200", *[noise] * 9, Outcome(ASSOCIATED))
    assert tried[-1].port is not None
    assert tried[-1].port.line.baud != 1200
    url = report.url("", 0)
    assert url is not None
    serial = MeterUrl.parse(url).serial
    assert serial is not None
    assert serial.line == tried[-1].port.line
    assert report.found == tried[-1]

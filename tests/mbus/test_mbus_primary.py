"""The master of a wired bus in virtual time: what it sends, what it makes of silence, noise and long answers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cosem.errors import Cancelled, ConfigError, ConnectionLost, RemoteProtocolError, Timeout
from cosem.io.memory import MemoryDriver
from cosem.link.line import Line, LineSettings
from cosem.link.mbus_frame import build, build_short
from cosem.mbus.addresses import SecondaryAddress
from cosem.mbus.link_state import Master
from cosem.mbus.master import BusMaster, Exchange, Kind, MasterTimes, Wants
from cosem.mbus.primary import Primary, Reply
from cosem.simulator.mbus_bus import BusQuality, SimulatedBus
from support.mbus_meters import Counter, Wired, meter, station

ANSWER = build(0x08, 5, 0x72, b"answer")


class Script:
    """A line on which every frame gets the next of these answers (None: silence); keeps what was sent."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[float, bytes]] = []
        self._due: float | None = None
        self._answer = b""
        self._ready = b""

    def receive(self, octets: bytes, now: float) -> None:
        self.sent.append((round(now, 3), octets))
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            self._due, self._answer = now + 0.1, answer

    def take(self) -> bytes:
        ready, self._ready = self._ready, b""
        return ready

    def next_timer(self) -> float | None:
        return self._due

    def handle_timer(self, now: float) -> None:
        if self._due is not None and now >= self._due:
            self._ready += self._answer
            self._due = None

    def lost(self, now: float) -> None: ...


def scripted(*answers: bytes | None, times: MasterTimes | None = None) -> tuple[Primary, Script, MemoryDriver]:
    script = Script(*answers)
    master = BusMaster(times=times)
    return Primary(master), script, MemoryDriver(master, script)


def sent(script: Script) -> list[str]:
    return [octets.hex() for _, octets in script.sent]


def test_the_count_turns_with_every_answer_and_silence_is_asked_again_with_the_same() -> None:
    bus, script, driver = scripted(b"\xe5", ANSWER, None, ANSWER, b"\xe5", ANSWER)

    def talk() -> Generator[Any, Any, None]:
        yield from bus.reset(5)
        yield from bus.request(5)
        yield from bus.request(5)
        yield from bus.send(5, 0x51, b"\x01")
        yield from bus.request(5)

    driver.run(talk())
    assert [octets[:2].hex() if octets[0] == 0x10 else octets[4:6].hex() for _, octets in script.sent] == [
        "1040", "107b", "105b", "105b", "7305", "105b",
    ]  # fmt: skip


def test_after_an_exchange_in_vain_the_next_one_carries_the_same_count() -> None:
    bus, script, driver = scripted(b"\xe5", None, None, None, ANSWER)
    driver.run(bus.reset(5))
    assert driver.run(bus.request(5)).kind is Kind.SILENCE
    assert driver.run(bus.request(5)).kind is Kind.ANSWERED
    assert sent(script)[1:] == ["107b058016"] * 4


def test_each_slave_has_its_own_count_and_a_reset_of_all_resets_them() -> None:
    bus, script, driver = scripted(*[ANSWER, build(0x08, 6, 0x72, b"")] * 2, None, ANSWER)
    for address in (5, 6, 5, 6):
        driver.run(bus.request(address))
    assert [octets[2:4] for octets in sent(script)] == ["7b", "7b", "5b", "5b"]
    driver.run(bus.reset(255))
    driver.run(bus.request(5))
    assert [octets[2:6] for octets in sent(script)][-2:] == ["40ff", "7b05"]


@pytest.mark.parametrize(
    ("baud", "times", "seconds"),
    [
        # Octets of the question on the line, then what a slave may take.
        (2400, MasterTimes(), 55 / 2400 + 1.1),
        (300, MasterTimes(), 55 / 300 + 1.15),
        (2400, MasterTimes(answer=0.0), 55 / 2400 + 330 / 2400 + 0.05),
        (9600, MasterTimes(answer=0.0, latency=0.3), 55 / 9600 + 330 / 9600 + 0.05 + 0.3),
        (2400, MasterTimes(answer=4.0), 55 / 2400 + 4.0),
    ],
)
def test_time_to_answer(baud: int, times: MasterTimes, seconds: float) -> None:
    master = BusMaster(Line(LineSettings(baud, parity="E")), times)
    script = Script()
    driver = MemoryDriver(master, script)
    with pytest.raises(Timeout, match="address 5 does not answer, asked 3 times"):
        driver.run(Primary(master).reset(5))
    moments = [at for at, _ in script.sent]
    assert [moments[1] - moments[0], moments[2] - moments[1]] == pytest.approx([seconds] * 2, abs=2e-3)


def test_broadcasts_wait_for_nobody_and_leave_the_line_alone_for_a_while() -> None:
    bus, script, driver = scripted()
    driver.run(bus.send(255, 0x51, b"\x01"))
    driver.run(bus.reset(255))
    assert script.sent[0][1][4:6] == bytes((0x43, 255))
    assert script.sent[1][0] - script.sent[0][0] > 110 / 2400


@pytest.mark.parametrize("noise", [b"\x00\x10", b"\x68\x33\x33\x68", b"\xe5\x68"])
def test_an_answer_behind_noise_is_heard(noise: bytes) -> None:
    bus, script, driver = scripted(b"\xe5", noise + ANSWER)
    assert driver.run(bus.read(5)) == (Reply(0x72, b"answer"),)
    assert len(script.sent) == 2


def test_a_slave_that_this_master_does_not_know_is_reset_before_anything_is_counted() -> None:
    bus, script, driver = scripted(b"\xe5", b"\xe5", b"\xe5", ANSWER)
    driver.run(bus.send(5, 0x51, b"\x01"))
    driver.run(bus.send(5, 0x51, b"\x01"))
    assert driver.run(bus.read_alarm(5)) == Reply(0x72, b"answer")
    assert [octets[2:4] if octets[:2] == "10" else octets[8:10] for octets in sent(script)] == ["40", "73", "53", "7a"]


def test_answers_of_others_and_broken_ones_are_asked_for_again() -> None:
    broken = bytearray(ANSWER)
    broken[8] ^= 1
    bus, script, driver = scripted(b"\xe5", build(0x08, 6, 0x72, b""), bytes(broken), ANSWER)
    assert driver.run(bus.read(5)) == (Reply(0x72, b"answer"),)
    assert len(script.sent) == 4
    assert bus.master.statistics.garbled == 2
    bus, script, driver = scripted(b"\xe5", *[bytes(broken)] * 3)
    with pytest.raises(RemoteProtocolError, match="several meters answer"):
        driver.run(bus.read(5))


def test_one_after_the_other_and_what_is_cancelled_leaves_the_line_to_its_answer() -> None:
    master = BusMaster()
    bus = Primary(master)
    first, second = master.start(bus.request(5), 0.0), master.start(bus.request(6), 0.0)
    assert master.take() == build_short(0x7B, 5)
    assert master.take() == b""
    master.cancel(first, 0.1)
    assert isinstance(first.error, Cancelled)
    assert master.state is Master.RESTING
    master.receive(ANSWER, 0.5)
    master.handle_timer(1.0)
    assert master.take() == b""
    due = master.next_timer()
    assert due == pytest.approx(55 / 2400 + 1.1)
    master.handle_timer(due)
    assert master.take() == build_short(0x7B, 6)
    assert master.statistics.unasked == len(ANSWER)
    assert not second.done


def test_a_lost_connection_ends_what_is_under_way() -> None:
    master = BusMaster()
    running = master.start(Primary(master).read(5), 0.0)
    master.lost(0.1)
    with pytest.raises(ConnectionLost):
        running.outcome()
    with pytest.raises(ConnectionLost):
        master.start(Primary(master).read(5), 0.2).outcome()


def test_a_line_that_never_falls_silent_is_given_up_on() -> None:
    master = BusMaster()
    running = master.start(Primary(master).request(5, tries=1), 0.0)
    now = 0.0
    while not running.done:
        now += 0.01
        assert now < 5
        master.receive(b"\x00", now)
        due = master.next_timer()
        if due is not None and due <= now:
            master.handle_timer(now)
    assert running.outcome().kind is Kind.GARBLED


# --- with slaves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("echo", [False, True])
def test_a_meter_is_read_by_every_address_it_has(echo: bool) -> None:
    wired = Wired([station(primary=5), station(meter("87654321"), primary=6)], echo=echo)
    by_primary = wired.run(wired.primary.read(5))
    by_secondary = wired.run(wired.primary.read(SecondaryAddress.parse("12345678")))
    assert [telegram.octets[:8] for telegram in (*by_primary, *by_secondary)] == [meter().octets] * 2
    with pytest.raises(RemoteProtocolError):
        wired.run(wired.primary.read(254))
    with pytest.raises(Timeout, match="11111111"):
        wired.run(wired.primary.read(SecondaryAddress.parse("11111111")))
    with pytest.raises(ConfigError):
        wired.run(wired.primary.read(255))


def test_a_long_answer_is_read_to_its_end_and_no_further_than_wanted() -> None:
    wired = Wired([station(primary=5, parts=4)])
    telegrams = wired.run(wired.primary.read(5))
    assert [telegram.octets[-1] for telegram in telegrams[:3]] == [0x1F] * 3
    assert len(telegrams) == 4
    assert len(wired.run(wired.primary.read(5, limit=2))) == 2
    assert len(wired.run(wired.primary.read(5))) == 4
    wired.primary.more_follows = lambda ci, octets: False
    assert len(wired.run(wired.primary.read(5))) == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_through_noise_every_part_comes_once_and_in_order(seed: int, parts: int) -> None:
    slave = station(primary=5, parts=parts)
    wired = Wired([slave], seed=seed, quality=BusQuality(noise=0.2), times=MasterTimes(tries=12))
    try:
        telegrams = wired.run(wired.primary.read(5))
    except RemoteProtocolError as error:
        assume("two meters" not in str(error))
        raise
    # A checksum that is a sum does not see two bits that make up for each other.
    assume(all(telegram.ci == 0x72 and telegram.octets[:8] == meter().octets for telegram in telegrams))
    assert isinstance(slave.application, Counter)
    # Repetitions ask nobody: the application was asked once.
    assert slave.application.answers == 1
    assert len(telegrams) == parts


def test_orders() -> None:
    slave = station(primary=0)
    wired = Wired([slave, station(meter("87654321"), primary=6)])
    bus = wired.primary
    wired.run(bus.set_address(meter(), 9))
    assert slave.primary == 9
    wired.run(bus.set_address(9, 10))
    assert slave.primary == 10
    wired.run(bus.application_reset(10, 0x10))
    wired.run(bus.send(10, 0x51, b"\x0f\x01"))
    assert isinstance(slave.application, Counter)
    assert slave.application.accepted == [(0x51, b"\x0f\x01")]
    wired.run(bus.read(10))
    assert slave.application.requests[-1].subcode == 0x10
    assert wired.run(bus.read_alarm(10)) is None
    slave.application.alarms = [(0x71, b"\x01")]
    assert wired.run(bus.read_alarm(10)) == Reply(0x71, b"\x01")
    for wrong in (bus.set_address(255, 5), bus.set_address(10, 253), bus.application_reset(10, 256), bus.reset(252)):
        with pytest.raises(ConfigError):
            wired.run(wrong)


def test_a_meter_is_spoken_to_at_its_own_speed() -> None:
    quick, slow = station(primary=5), station(meter("87654321"), primary=6)
    wired = Wired([quick, slow])
    wired.run(wired.primary.set_baud(5, 9600))
    assert quick.baud == wired.bus.line.settings.baud == 9600
    assert wired.run(wired.primary.read(6))
    assert wired.bus.line.settings.baud == 2400
    assert wired.run(wired.primary.read(5))
    assert wired.bus.line.settings.baud == 9600
    wired.run(wired.primary.set_baud(255, 300))
    assert slow.baud == 300
    assert wired.run(wired.primary.read(6))


def test_a_switched_meter_is_selected_at_its_speed_and_others_at_that_of_the_bus() -> None:
    quick, slow = station(primary=0), station(meter("87654321"), primary=0)
    wired = Wired([quick, slow])
    wired.run(wired.primary.set_baud(meter(), 9600))
    assert quick.baud == 9600
    assert wired.run(wired.primary.read(meter("87654321")))
    assert wired.bus.line.settings.baud == 2400
    assert wired.run(wired.primary.read(meter()))
    assert wired.bus.line.settings.baud == 9600


def test_a_speed_that_is_acknowledged_and_not_spoken_is_given_up() -> None:
    slave = station(primary=5, fallback=20.0)
    wired = Wired([slave])
    hear = slave.hear

    def deaf_at_9600(frame: Any, now: float) -> bytes:
        return b"" if slave.baud == 9600 else hear(frame, now)

    slave.hear = deaf_at_9600  # type: ignore[method-assign]
    with pytest.raises(RemoteProtocolError, match="acknowledged 9600 Bd and is silent there"):
        wired.run(wired.primary.set_baud(5, 9600))
    assert wired.master.speed_of(5) == 2400
    with pytest.raises(Timeout):
        wired.run(wired.primary.read(5))
    wired.driver.now += 20.0
    assert wired.run(wired.primary.read(5))
    wired.primary.switchable = False
    with pytest.raises(ConfigError, match="converter"):
        wired.run(wired.primary.set_baud(5, 9600))


def test_two_buses_at_once_know_nothing_of_each_other() -> None:
    buses = [Wired([station(meter(number), primary=5)]) for number in ("11111111", "22222222")]
    running = [wired.master.start(wired.primary.read(5), 0.0) for wired in buses]
    now = 0.0
    while not all(item.done for item in running):
        for wired in buses:
            wired.bus.receive(wired.master.take(), now)
            wired.bus.handle_timer(now)
            if octets := wired.bus.take():
                wired.master.receive(octets, now)
            wired.master.handle_timer(now)
        now += 0.005
        assert now < 10
    numbers = [SecondaryAddress(item.outcome()[0].octets[:8]).identification for item in running]
    assert numbers == ["11111111", "22222222"]


def test_a_patient_exchange_hears_the_slow_one_behind_the_quick_one() -> None:
    def ask(patient: bool) -> Any:
        wired = Wired([station(primary=5, reaction=0.01), station(meter("87654321"), primary=5, reaction=0.6)])

        def talk() -> Generator[Any, Any, Any]:
            return (yield Exchange(build_short(0x40, 5), 5, Wants.ACKNOWLEDGE, 1, patient))

        return wired.run(talk())

    assert ask(False).kind is Kind.ACKNOWLEDGED
    heard = ask(True)
    assert (heard.kind, heard.octets) == (Kind.GARBLED, b"\xe5\xe5")


def test_a_clean_answer_beside_another_one_is_no_answer() -> None:
    # They do not overlap: each is a good frame.
    wired = Wired([station(primary=5, reaction=0.01), station(meter("87654321"), primary=5, reaction=0.6)])
    heard = wired.run(wired.primary.request(5, tries=1, patient=True))
    assert (heard.kind, heard.frame) == (Kind.GARBLED, None)
    assert heard.octets.count(b"\x68") == 4


def test_a_bus_that_is_disturbed_needs_randomness() -> None:
    with pytest.raises(ValueError, match="randomness"):
        SimulatedBus(quality=BusQuality(noise=0.1))

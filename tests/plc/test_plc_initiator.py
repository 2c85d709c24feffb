"""The parts of an initiator: registry, turns, discovery; and the machine with nobody at the other end."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.errors import ConfigError
from cosem.plc import ciase, llc
from cosem.plc.addresses import AddressPlan
from cosem.plc.ciase import DiscoverReport
from cosem.plc.discovery import Discovery, DiscoverySettings
from cosem.plc.initiator import InitiatorSettings, PowerLineInitiator
from cosem.plc.llc import LlcData
from cosem.plc.mac_events import AlarmHeard, MacConfirm, MacIndication, MacRefused, MacRequest
from cosem.plc.mac_frame import Credits, MacFrame
from cosem.plc.phy import exchange_slots
from cosem.plc.procedures import Broadcast, Exchange, NoAddressLeft, SystemLost
from cosem.plc.queue import MAX_QUEUED, PATIENCE, Priority, TurnQueue
from cosem.plc.registry import MEMBERS, REGISTERED, Kept, MemberInput, Membership, Registry, System
from support.power_line import heard, initiator

GET = bytes.fromhex("900110c001c100080000010000ff0200")
ANSWER = bytes.fromhex("901001c401c10005")


def title(number: int) -> bytes:
    return b"CSM%05d" % number


# --- registry -----------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(MemberInput), max_size=50))
def test_no_walk_makes_a_member_of_somebody_without_an_address(walk: list[MemberInput]) -> None:
    system = System(title(1))
    assigned = False
    for event in walk:
        if event is MemberInput.ASSIGN and system.membership is Membership.REPORTED:
            assigned = True
        system.move(event)
        assert assigned or system.membership not in REGISTERED
    assert set(MEMBERS.values()) <= set(Membership)


@given(
    st.lists(st.tuples(st.sampled_from(("report", "assign", "lose", "forget")), st.integers(0, 30)), max_size=200),
    st.integers(3, 12),
)
def test_an_address_never_has_two_owners(steps: list[tuple[str, int]], last: int) -> None:
    registry = Registry(AddressPlan(first_initiator=last + 1))
    for at, (what, number) in enumerate(steps):
        system = registry.systems.get(title(number))
        if what == "report":
            registry.reported(title(number), number % 8, 80.0, at)
        elif system is not None and what == "assign" and system.membership is Membership.REPORTED:
            given_one = registry.assign(system)
            assert given_one or len({item.address for item in registry if item.address}) == last
        elif system is not None and what == "lose":
            system.move(MemberInput.SILENT)
        elif what == "forget":
            registry.forget(title(number))
        owners = [item.address for item in registry if item.address]
        assert len(owners) == len(set(owners))
        assert all(1 <= address <= last for address in owners)
        assert all(registry.at(item.address) is item for item in registry if item.address)


def test_what_is_kept_comes_back_and_two_owners_are_refused() -> None:
    registry = Registry()
    for number in (1, 2, 3):
        assert registry.assign(registry.reported(title(number), number, 90.0, 0))
    again = Registry(kept=registry.kept())
    assert again.kept() == registry.kept()
    assert {item.membership for item in again} == {Membership.ASSIGNED}
    with pytest.raises(ConfigError):
        Registry(kept=(Kept(title(1), 1, 0), Kept(title(2), 1, 0)))
    with pytest.raises(ConfigError):
        Registry(kept=(Kept(title(1), 0xC01, 0),))


def test_the_credit_follows_what_answers_took() -> None:
    system = System(title(1))
    system.learn(2, 1)
    assert system.credit == 2
    # The request took more than two bits can say, so the answer has the word.
    system.learn(5, 3)
    assert system.credit == 5
    assert [system.credit_of(attempt) for attempt in range(4)] == [5, 6, 7, 7]
    for _ in range(8):
        system.learn(1, 0)
    assert system.credit == 1


# --- turns --------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from(Priority), st.integers(0, 5)), max_size=120),
)
def test_everything_has_its_turn_once_and_in_the_order_of_its_flow(items: list[tuple[Priority, int]]) -> None:
    queue: TurnQueue[tuple[Priority, int, int]] = TurnQueue()
    for number, (priority, flow) in enumerate(items):
        assert queue.put((priority, flow, number), priority, flow)
    popped = []
    while (item := queue.pop()) is not None:
        popped.append(item)
    assert sorted(number for *_, number in popped) == list(range(len(items)))
    for key in set(items):
        own = [number for *rest, number in popped if tuple(rest) == key]
        assert own == sorted(own)
    assert len(queue) == 0


@given(st.integers(2, 6), st.integers(1, 20))
def test_flows_of_one_priority_take_turns(flows: int, rounds: int) -> None:
    queue: TurnQueue[int] = TurnQueue()
    for flow in range(flows):
        for _ in range(rounds):
            queue.put(flow, Priority.CLIENT, flow)
    for _ in range(rounds):
        assert sorted(queue.pop() for _ in range(flows)) == list(range(flows))  # type: ignore[type-var]


def test_nobody_waits_for_ever() -> None:
    queue: TurnQueue[str] = TurnQueue()
    queue.put("upkeep", Priority.UPKEEP, "ping")
    turns = 0
    while True:
        queue.put("client", Priority.CLIENT, "busy")
        turns += 1
        if queue.pop() == "upkeep":
            break
    assert turns == PATIENCE + 1


def test_a_full_queue_refuses() -> None:
    queue: TurnQueue[int] = TurnQueue()
    assert all(queue.put(number, Priority.READING, number) for number in range(MAX_QUEUED))
    assert not queue.put(0, Priority.URGENT, "late")
    assert queue.drop(5) == [5]
    assert queue.put(0, Priority.URGENT, "late")


# --- discovery ----------------------------------------------------------------------------------------------------


def crowd(stations: int, seed: int, *, unheard: bool) -> tuple[Discovery, int]:
    """Play a discovery with stations that all hear everything; what collides is spoilt, or leaves no trace."""
    random, found, now = Random(seed), 0, 0
    discovery = Discovery(DiscoverySettings(), settle=500, now=0)
    while not discovery.over:
        asked = discovery.plan()
        assert 1 <= asked.probability <= 100
        assert 4 <= asked.windows <= 48
        chosen: dict[int, int] = {}
        for _ in range(stations - found):
            if random.randrange(100) < asked.probability:
                window = random.randrange(asked.windows)
                chosen[window] = chosen.get(window, 0) + 1
        heard_ = sum(count == 1 for count in chosen.values())
        spoilt = 0 if unheard else sum(count > 1 for count in chosen.values())
        now += asked.windows * (asked.credit + 2)
        found += heard_
        discovery.learn(asked, heard_, spoilt, heard_, now)
        assert discovery.rounds < 3000
    return discovery, found


@given(st.integers(0, 1000), st.integers(0, 10_000), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_discovery_finds_all_whether_collisions_are_heard_or_not(stations: int, seed: int, unheard: bool) -> None:
    discovery, found = crowd(stations, seed, unheard=unheard)
    assert found == discovery.found == stations


def test_rounds_grow_with_the_number_of_stations_and_not_with_its_square() -> None:
    few, _ = crowd(100, 1, unheard=True)
    many, _ = crowd(800, 1, unheard=True)
    assert many.rounds < 10 * few.rounds


@given(st.lists(st.tuples(st.integers(0, 48), st.integers(0, 200)), max_size=200))
def test_no_course_of_noise_leads_a_discovery_astray(course: list[tuple[int, int]]) -> None:
    discovery = Discovery(DiscoverySettings(), settle=0, now=0)
    for at, (reports, spoilt) in enumerate(course):
        asked = discovery.plan()
        assert 1 <= asked.probability <= 100
        assert 4 <= asked.windows <= 48
        assert 0 <= asked.credit <= 7
        discovery.learn(asked, min(reports, asked.windows), spoilt, 0, at)


def test_noise_alone_does_not_keep_a_discovery_from_its_end() -> None:
    discovery = Discovery(DiscoverySettings(), settle=100, now=0)
    rounds = 0
    while not discovery.over:
        discovery.learn(discovery.plan(), 0, 5, 0, rounds)
        rounds += 1
        assert rounds < 2000


# --- the machine --------------------------------------------------------------------------------------------------


class Alone:
    """An initiator with a registered system, at a table: the MAC layer's part is played by hand."""

    def __init__(self, **options: Any) -> None:
        kept = (Kept(title(1), 1, 0), Kept(title(2), 2, 1))
        self.mac = initiator()
        self.machine = PowerLineInitiator(self.mac, InitiatorSettings(title(0), **options))
        for one in kept:
            system = self.machine.registry.reported(one.title, one.credit, 90.0, 0)
            self.machine.registry.assign(system)
        self.now = 0
        self.answers: list[bytes] = []
        self.failures: list[str] = []

    def ask(self, number: int = 1, *, repeatable: bool = True, priority: Priority = Priority.CLIENT) -> None:
        job = Exchange(
            title(number),
            GET,
            lambda m_sdu, slot: self.answers.append(m_sdu),
            lambda cause, slot: self.failures.append(cause),
            priority,
            repeatable=repeatable,
        )
        self.machine.exchange(job, self.now)

    def sent(self) -> MacRequest:
        (order,) = self.machine.take()
        assert isinstance(order, MacRequest)
        return order

    def confirm(self, order: MacRequest) -> int:
        ends = self.now + 2 + (order.credit or 0)
        self.now += 1
        self.machine.handle(MacConfirm(order, self.now, ends), self.now)
        return ends

    def answer(self, source: int, sdu: bytes = ANSWER, *, hops: int = 0, delta: int = 0) -> None:
        frame = MacFrame(source, 0xC00, Credits(hops, 0, delta), sdu)
        self.machine.handle(MacIndication(frame, heard(), self.now), self.now)


def test_an_exchange_is_over_with_the_answer_of_its_station_and_its_saps() -> None:
    bench = Alone()
    bench.ask()
    bench.confirm(bench.sent())
    bench.answer(2)
    bench.answer(1, b"\x90\x11\x01\xc4")
    assert bench.answers == []
    bench.answer(1, hops=2, delta=1)
    assert bench.answers == [ANSWER]
    assert bench.machine.registry.systems[title(1)].credit == 2
    assert not bench.machine.busy


def test_the_time_out_is_the_formula_with_the_longest_answer() -> None:
    bench = Alone()
    bench.ask()
    order = bench.sent()
    begin = bench.now + 1
    ends = bench.confirm(order)
    due = bench.machine.next_timer()
    assert due is not None
    longest = exchange_slots(len(order.sdu), 0, 134, 0, idle=1)
    assert longest <= due - begin + 1 <= longest + 5
    bench.now = due - 1
    bench.machine.handle_timer(due - 1)
    assert bench.machine.take() == []
    assert ends < due


def test_each_attempt_has_one_repetition_more_and_the_last_one_is_told() -> None:
    bench = Alone(attempts=3)
    bench.ask(2)
    credits = []
    for _ in range(3):
        order = bench.sent()
        credits.append(order.credit)
        bench.confirm(order)
        bench.now = bench.machine.next_timer() or 0
        bench.machine.handle_timer(bench.now)
    assert credits == [1, 2, 3]
    assert bench.failures == ["no answer to 3 of 3 attempts, the last with 3 repetitions"]
    assert not bench.machine.busy


def test_what_must_not_be_done_twice_is_sent_once() -> None:
    bench = Alone()
    bench.ask(repeatable=False)
    bench.confirm(bench.sent())
    bench.now = bench.machine.next_timer() or 0
    bench.machine.handle_timer(bench.now)
    assert len(bench.failures) == 1
    assert bench.machine.take() == []


def test_a_refused_frame_counts_as_an_attempt_and_its_reason_is_told() -> None:
    bench = Alone(attempts=2)
    bench.ask()
    for _ in range(2):
        bench.machine.handle(MacRefused(bench.sent(), "the medium was busy too long"), bench.now)
    assert bench.failures == ["the medium was busy too long"]


def test_a_station_nobody_knows_fails_at_once() -> None:
    bench = Alone()
    bench.ask(7)
    assert bench.failures == ["the system is not registered"]
    assert bench.machine.take() == []


def test_silence_in_a_row_loses_a_system_and_a_word_brings_it_back() -> None:
    bench = Alone(attempts=1, misses=2)
    for _ in range(2):
        bench.ask()
        bench.confirm(bench.sent())
        bench.now = bench.machine.next_timer() or 0
        bench.machine.handle_timer(bench.now)
    (lost,) = [event for event in bench.machine.take_events() if isinstance(event, SystemLost)]
    assert lost.title == title(1)
    bench.ask()
    bench.confirm(bench.sent())
    bench.answer(1)
    assert bench.machine.registry.systems[title(1)].membership is Membership.PRESENT


def test_a_client_goes_before_reading_and_flows_alternate() -> None:
    bench = Alone()
    bench.ask(1, priority=Priority.READING)
    for number in (1, 2, 2):
        bench.ask(number, priority=Priority.READING)
    bench.ask(2, priority=Priority.CLIENT)
    order, served = bench.sent(), []
    while True:
        served.append(order.destination)
        bench.confirm(order)
        bench.answer(order.destination)
        orders = bench.machine.take()
        if not orders:
            break
        order = orders[0]  # type: ignore[assignment]
    assert served == [1, 2, 1, 2, 2]


def test_giving_up_tells_everybody_who_waits() -> None:
    bench = Alone()
    for number in (1, 2, 1):
        bench.ask(number)
    bench.machine.abandon("restarted")
    assert bench.failures == ["restarted"] * 3
    assert not bench.machine.busy


_WALK = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 3)),
    st.tuples(st.just("broadcast"), st.integers(1, 3)),
    st.tuples(st.sampled_from(("discover", "ping", "call", "alarm", "confirm", "refuse", "timer")), st.just(0)),
    st.tuples(st.just("report"), st.integers(0, 6)),
    st.tuples(st.just("answer"), st.integers(0, 3)),
    st.tuples(st.just("junk"), st.binary(min_size=1, max_size=24)),
)


@given(st.lists(_WALK, max_size=60))
@settings(max_examples=150, deadline=None)
def test_wherever_one_walks_every_question_ends_once_and_the_machine_comes_to_rest(walk: list[tuple[str, Any]]) -> None:
    bench = Alone(keep_alive_s=0, attempts=2)
    machine, pending = bench.machine, []
    asked = sent = broadcast = 0

    def done(slot: int) -> None:
        nonlocal sent
        sent += 1

    def step(kind: str, what: Any) -> None:
        nonlocal asked, broadcast
        bench.now += 1
        if kind == "ask":
            asked += 1
            bench.ask(what)
        elif kind == "broadcast":
            broadcast += 1
            machine.broadcast(Broadcast(GET, what, sent=done), bench.now)
        elif kind == "discover":
            machine.discover(bench.now)
        elif kind == "ping":
            machine.ping(title(1))
        elif kind == "call":
            machine.call_repeaters(bench.now)
        elif kind == "alarm":
            machine.handle(AlarmHeard(80.0, bench.now), bench.now)
        elif kind == "report":
            sdu = llc.build(LlcData(0xFD, 0, ciase.build(DiscoverReport((title(what),), 1 if what == 2 else None))))
            bench.answer(what if what == 2 else 0xFFE, sdu)
        elif kind == "answer":
            bench.answer(what, hops=what)
        elif kind == "junk":
            bench.answer(what[0] % 4, b"\x90" + what)
        elif kind == "timer":
            bench.now = max(bench.now, machine.next_timer() or 0)
            machine.handle_timer(bench.now)
        elif pending:
            order = pending.pop(0)
            if kind == "confirm":
                bench.confirm(order)
            else:
                machine.handle(MacRefused(order, "no"), bench.now)

    for kind, what in walk:
        step(kind, what)
        pending += [order for order in machine.take() if isinstance(order, MacRequest)]
        addresses = [system.address for system in machine.registry if system.address]
        assert len(addresses) == len(set(addresses))
    for _ in range(20_000):
        if not machine.busy:
            break
        step("confirm" if pending else "timer", 0)
        pending += [order for order in machine.take() if isinstance(order, MacRequest)]
    assert not machine.busy
    assert machine.discovery is None
    assert len(bench.answers) + len(bench.failures) == asked
    assert sent == broadcast


def test_a_full_network_says_so() -> None:
    registry = Registry(AddressPlan(first_initiator=3))
    for number in (1, 2):
        assert registry.assign(registry.reported(title(number), 0, 90, 0))
    assert not registry.assign(registry.reported(title(3), 0, 90, 0))
    assert NoAddressLeft(title(3), 0).title == title(3)
    registry.systems[title(1)].move(MemberInput.SILENT)
    late = registry.systems[title(3)]
    assert registry.assign(late)
    assert late.address == 1
    assert title(1) not in registry.systems

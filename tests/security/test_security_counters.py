"""Counters: never handed out twice by a sender, never accepted twice by a receiver; whatever crashes in between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cosem.errors import CounterExhausted, DecodeError, InvocationCounterError, LocalProtocolError, SecurityError
from cosem.security.context import SecurityContext
from cosem.security.counters import END, LEASE, MemoryCounterStore, ReceivingCounter, SendingCounter, next_block
from cosem.security.gcm import protect
from cosem.security.keys import Keys

KEYS = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)))
CLIENT, SERVER = b"CLI\0\0\0\0\1", b"SRV\0\0\0\0\2"


class Sender(RuleBasedStateMachine):
    """A process that leases, sends, crashes and comes back; only the store survives."""

    @initialize(first=st.integers(0, 20) | st.integers(END - 30, END - 1))
    def begin(self, first: int) -> None:
        self.store = MemoryCounterStore()
        self.used: list[int] = []
        self.first = first
        self.counter = SendingCounter()

    @rule(count=st.integers(1, LEASE))
    def lease(self, count: int) -> None:
        try:
            first, behind = self.store.lease("meter", count, self.first)
        except CounterExhausted:
            # Only the end of the range refuses, and goes on refusing.
            with pytest.raises(CounterExhausted):
                self.store.lease("meter", 1)
            return
        assert first < behind <= END
        assert behind - first <= count
        left = self.counter.remaining
        adjacent = left > 0 and self.counter.next + left == first
        self.counter.renew(first, behind)
        assert self.counter.remaining == behind - first + (left if adjacent else 0)

    @rule(times=st.integers(1, 2 * LEASE))
    def send(self, times: int) -> None:
        for _ in range(times):
            remaining = self.counter.remaining
            try:
                self.used.append(self.counter.take())
            except LocalProtocolError:
                assert remaining == 0
                return
            except CounterExhausted:
                assert remaining == 0
                assert self.counter.next == END
                return
            assert self.counter.remaining == remaining - 1

    @rule()
    def crash(self) -> None:
        self.counter = SendingCounter()

    @rule()
    def lose_the_lease_in_the_crash(self) -> None:
        # Persisted, but the process died before it could use it.
        try:
            self.store.lease("meter", LEASE, self.first)
        except CounterExhausted:
            return
        self.counter = SendingCounter()

    @rule()
    def another_meter(self) -> None:
        assert self.store.lease("other", 1)[1] >= 1

    @invariant()
    def never_twice(self) -> None:
        used = getattr(self, "used", [])
        assert used == sorted(set(used))
        assert all(self.first <= counter < END for counter in used)


class Receiver(RuleBasedStateMachine):
    """A meter that is sent genuine, forged and repeated APDUs, and restarts from what it persisted."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryCounterStore()
        self.sent: list[bytes] = []
        self.accepted: list[int] = []
        self.following = 0
        self.restart()

    @rule()
    def restart(self) -> None:
        self.server = SecurityContext(
            KEYS,
            SERVER,
            CLIENT,
            receiving=ReceivingCounter(self.store.last_received("meter")),
            persist=lambda key_set, counter: self.store.commit_received("meter", counter),
        )

    def _give(self, content: bytes, *, understood: bool = True) -> bool:
        last = self.server.receiving().last

        def accept(plain: bytes) -> bytes:
            if plain != b"text" or not understood:
                raise DecodeError("no APDU")
            return plain

        try:
            _, opened = self.server.open(content, accept, request=True)
        except (SecurityError, DecodeError) as error:
            # A genuine tag commits even what is no APDU; nothing else does.
            if not (isinstance(error, DecodeError) and content[0] & 0x10 and len(content) > 17):
                assert self.server.receiving().last == last
            return False
        assert last is None or opened.counter > last
        assert self.server.receiving().last == opened.counter == self.store.last_received("meter")
        self.accepted.append(opened.counter)
        return True

    @rule(skip=st.integers(0, 3), control=st.sampled_from([0x10, 0x20, 0x30]), lost=st.booleans())
    def genuine(self, skip: int, control: int, lost: bool) -> None:
        self.following += skip
        content = protect(
            KEYS.global_unicast_encryption_key or b"", KEYS.authentication_key, CLIENT, self.following, control, b"text"
        )
        self.following += 1
        self.sent.append(content)
        if not lost:
            assert self._give(content)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        content = data.draw(st.sampled_from(self.sent))
        counter = int.from_bytes(content[1:5], "big")
        newest = self.server.receiving().last
        assert self._give(content) == (newest is None or counter > newest)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), control=st.sampled_from([0x10, 0x20, 0x30]), counter=st.integers(0, 0xFFFFFFFF))
    def forge(self, data: st.DataObject, control: int, counter: int) -> None:
        # Without the keys an attacker has old texts and can write any header.
        old = data.draw(st.sampled_from(self.sent))
        forged = bytes((control,)) + counter.to_bytes(4, "big") + old[5:]
        if forged not in self.sent and not (control == 0x20 and old[:1] == b"\x30" and forged[1:5] == old[1:5]):
            assert not self._give(forged)

    @rule()
    def not_understood(self) -> None:
        content = protect(KEYS.global_unicast_encryption_key or b"", None, CLIENT, self.following, 0x20, b"text")
        before = self.server.receiving().last
        assert not self._give(content, understood=False)
        assert self.server.receiving().last == before

    @invariant()
    def never_twice(self) -> None:
        assert self.accepted == sorted(set(self.accepted))


TestSender = Sender.TestCase
TestReceiver = Receiver.TestCase
TestSender.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestReceiver.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_lease_behind_the_end_is_cut() -> None:
    counter = SendingCounter(END - 1, END + 5)
    assert counter.take() == END - 1
    with pytest.raises(CounterExhausted):
        counter.take()
    counter = SendingCounter()
    counter.renew(END - 1, END + 5)
    assert counter.remaining == 1
    assert next_block(END - 3, 100) == (END - 3, END)
    with pytest.raises(CounterExhausted):
        next_block(END, 1)
    with pytest.raises(CounterExhausted):
        next_block(0, 1, at_least=END)


def test_a_lease_never_goes_back() -> None:
    counter = SendingCounter(5, 10)
    assert [counter.take(), counter.take()] == [5, 6]
    with pytest.raises(LocalProtocolError, match="below"):
        counter.renew(6, 100)
    counter.renew(10, 12)
    assert (counter.next, counter.remaining) == (7, 5)
    counter.renew(50, 60)
    assert (counter.next, counter.remaining) == (50, 10)


def test_no_lease_no_counter() -> None:
    with pytest.raises(LocalProtocolError, match="leased"):
        SendingCounter().take()


@given(last=st.none() | st.integers(0, 0xFFFFFFFF), counter=st.integers(0, 0xFFFFFFFF))
def test_only_greater_counters_are_accepted(last: int | None, counter: int) -> None:
    receiving = ReceivingCounter(last)
    assert 0 <= receiving.smallest <= 0xFFFFFFFF
    if last is None or counter > last:
        receiving.check(counter)
        assert receiving.last == last
        receiving.commit(counter)
        assert receiving.last == counter
    else:
        for act in (receiving.check, receiving.commit):
            with pytest.raises(InvocationCounterError) as error:
                act(counter)
            assert error.value.smallest == receiving.smallest
        assert receiving.last == last


def test_the_store_in_memory_keeps_names_apart() -> None:
    store = MemoryCounterStore()
    assert store.lease("a", 10) == (0, 10)
    assert store.lease("b", 10, at_least=7) == (7, 17)
    assert store.lease("a", 10, at_least=3) == (10, 20)
    assert store.last_received("a") is None
    store.commit_received("a", 4)
    assert (store.last_received("a"), store.last_received("b")) == (4, None)

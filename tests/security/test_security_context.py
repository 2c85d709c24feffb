"""The one order of protection: what is refused, what is committed, and when."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import (
    CounterExhausted,
    DecodeError,
    HlsFailed,
    InvocationCounterError,
    KeyMissing,
    LocalProtocolError,
    PolicyViolation,
    SecurityError,
    TagMismatch,
)
from cosem.security import context as module
from cosem.security.context import BROADCAST_SET, DEDICATED, UNICAST, SecurityContext
from cosem.security.counters import END, ReceivingCounter, SendingCounter
from cosem.security.gcm import protect
from cosem.security.keys import Keys
from cosem.security.policy import BOTH, NOTHING, Policy

EK = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
AK = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")
BK = bytes(range(0x40, 0x50))
DK = bytes(range(0x60, 0x70))
KEYS = Keys(EK, AK, BK)
CLIENT, SERVER = b"CLI\0\0\0\0\1", b"SRV\0\0\0\0\2"


def pair(**server: Any) -> tuple[SecurityContext, SecurityContext]:
    """Return a client's and a server's context that fit together."""
    client = SecurityContext(KEYS, CLIENT, SERVER, sending=SendingCounter(1, 1000))
    return client, SecurityContext(KEYS, SERVER, CLIENT, sending=SendingCounter(1, 1000), **server)


def state(context: SecurityContext) -> tuple[int | None, ...]:
    return (*(context.receiving(key_set).last for key_set in (UNICAST, BROADCAST_SET, DEDICATED)), context.sending.next)


def refuse_plain(plain: bytes) -> bytes:
    raise DecodeError("no APDU")


@given(
    plain=st.binary(max_size=300), control=st.sampled_from([0x10, 0x20, 0x30]), kind=st.sampled_from(["u", "b", "d"])
)
def test_there_and_back(plain: bytes, control: int, kind: str) -> None:
    client, server = pair()
    for end in (client, server):
        end.use_dedicated_key(DK)
    dedicated, broadcast = kind == "d", kind == "b"
    for expected in (0, 1) if dedicated else (1, 2):
        content = client.protect(plain, control, dedicated=dedicated, broadcast=broadcast)
        answer, opened = server.open(
            content, lambda octets: (octets,), request=True, dedicated=dedicated, broadcast=broadcast
        )
        assert answer == (plain,)
        assert opened.counter == expected
        assert opened.control & 0x30 == control
        assert server.receiving({"u": UNICAST, "b": BROADCAST_SET, "d": DEDICATED}[kind]).last == expected
    assert server.failures == 0


@given(plain=st.binary(max_size=60), control=st.sampled_from([0x10, 0x30]), data=st.data())
def test_an_altered_bit_changes_nothing_but_the_failure_count(plain: bytes, control: int, data: st.DataObject) -> None:
    client, server = pair(receiving=ReceivingCounter(0))
    good = client.protect(plain, control)
    bad = bytearray(good)
    bit = data.draw(st.integers(0, len(bad) * 8 - 1), label="bit")
    bad[bit // 8] ^= 1 << bit % 8
    before = state(server)
    # Turned from authenticated encryption to encryption alone, only policy or the plain text can tell.
    accept = refuse_plain if control == 0x30 and bit == 4 else bytes
    with pytest.raises((SecurityError, DecodeError)):
        server.open(bytes(bad), accept, request=True)
    assert state(server) == before
    assert server.failures == 1
    assert server.open(good, bytes, request=True)[0] == plain


@given(octets=st.binary(max_size=40), dedicated=st.booleans(), broadcast=st.booleans())
def test_any_octets_are_refused_or_opened(octets: bytes, dedicated: bool, broadcast: bool) -> None:
    _, server = pair(policy=Policy.from_v0(1))
    before = state(server)
    with pytest.raises((SecurityError, DecodeError)):
        server.open(octets, bytes, request=True, dedicated=dedicated, broadcast=broadcast)
    assert state(server) == before
    assert server.failures == 1


def test_a_replay_is_refused_and_the_published_example_opens_once() -> None:
    server = SecurityContext(KEYS, SERVER, bytes.fromhex("4d4d4d0000bc614e"))
    content = bytes.fromhex("2001234567411312ff935a47566827c467bc")
    assert server.open(content, bytes, request=True)[0].hex() == "c0010000080000010000ff0200"
    with pytest.raises(InvocationCounterError) as error:
        server.open(content, bytes, request=True)
    assert (error.value.received, error.value.smallest) == (0x01234567, 0x01234568)


def test_the_order_with_a_tag_is_policy_counter_tag_commit_plain_text() -> None:
    client, server = pair(policy=BOTH, receiving=ReceivingCounter(5))
    weak_and_old = client.protect(b"text", 0x10)
    with pytest.raises(PolicyViolation):
        server.open(weak_and_old, bytes, request=True)
    old_with_wrong_tag = client.protect(b"text", 0x30)[:-1] + b"\0"
    with pytest.raises(InvocationCounterError):
        server.open(old_with_wrong_tag, bytes, request=True)
    client.sending.renew(50, 100)
    wrong_tag = bytearray(client.protect(b"text", 0x30))
    wrong_tag[-1] ^= 1
    seen: list[bytes] = []
    with pytest.raises(TagMismatch):
        server.open(bytes(wrong_tag), seen.append, request=True)
    assert seen == []
    assert server.receiving().last == 5

    def accept(plain: bytes) -> None:
        # The tag was right, so the counter counts even if the plain text means nothing.
        assert server.receiving().last == 51
        refuse_plain(plain)

    with pytest.raises(DecodeError):
        server.open(client.protect(b"text", 0x30), accept, request=True)
    assert server.receiving().last == 51
    assert server.failures == 4


def test_encryption_alone_commits_only_what_was_understood() -> None:
    persisted: list[tuple[str, int]] = []
    client, server = pair(persist=lambda key_set, counter: persisted.append((key_set, counter)))
    content = client.protect(b"text", 0x20)

    def accept(plain: bytes) -> bytes:
        assert server.receiving().last is None
        return plain

    with pytest.raises(DecodeError):
        server.open(content, refuse_plain, request=True)
    assert (server.receiving().last, persisted) == (None, [])
    assert server.open(content, accept, request=True)[0] == b"text"
    assert (server.receiving().last, persisted) == (1, [(UNICAST, 1)])


def test_an_unverified_tag_commits_only_what_was_understood() -> None:
    client, _ = pair()
    keys = Keys(EK)
    listener = SecurityContext(keys, b"", CLIENT, allow_unverified=True)
    content = client.protect(b"text", 0x30)
    with pytest.raises(DecodeError):
        listener.open(content, refuse_plain, request=False)
    assert listener.receiving().last is None
    assert listener.open(content, bytes, request=False)[1].verified is None
    assert listener.receiving().last == 1
    with pytest.raises(KeyMissing, match="authentication key"):
        SecurityContext(keys, b"", CLIENT).open(content, bytes, request=False)


@pytest.mark.parametrize(
    ("control", "words"),
    [(0x31, "suite 1"), (0xB0, "compressed"), (0x00, "without any protection"), (0x40, "without any protection")],
)
def test_headers_no_policy_lets_through(control: int, words: str) -> None:
    _, server = pair()
    with pytest.raises(PolicyViolation, match=words):
        server.open(bytes((control,)) + bytes(40), bytes, request=True)
    assert server.failures == 1


@given(control=st.integers(0, 255), request=st.booleans(), value=st.integers(0, 3))
def test_policy_is_checked_for_its_direction(control: int, request: bool, value: int) -> None:
    bits = Policy.from_v0(value).request
    policy = Policy(bits, 0) if request else Policy(0, bits)
    _, server = pair(policy=policy)
    content = protect(EK, AK, CLIENT, 1, control & 0x30, b"text")
    if control & 0x30 and control & bits == bits:
        assert server.open(content, bytes, request=request)[0] == b"text"
    else:
        with pytest.raises(PolicyViolation):
            server.open(content, bytes, request=request)
    # The other direction demands nothing; an own policy for one APDU replaces the association's.
    if control & 0x30:
        client, server = pair(policy=policy)
        assert server.open(client.protect(b"text", control), bytes, request=not request)[0] == b"text"
        _, server = pair(policy=NOTHING)
        with pytest.raises(PolicyViolation):
            server.open(client.protect(b"text", 0x20), bytes, request=request, policy=Policy(0x10, 0x10))


def test_title_of_the_apdu_must_be_the_peers() -> None:
    client, server = pair()
    content = client.protect(b"text", 0x30)
    with pytest.raises(PolicyViolation):
        server.open(content, bytes, request=True, title=b"OTHEROTH")
    assert server.open(content, bytes, request=True, title=CLIENT)[0] == b"text"
    stranger = SecurityContext(KEYS, SERVER)
    with pytest.raises(DecodeError, match="system title"):
        stranger.open(content, bytes, request=True)
    assert stranger.open(content, bytes, request=True, title=CLIENT)[0] == b"text"


def test_key_sets_have_counters_and_keys_of_their_own() -> None:
    client, server = pair(receiving=ReceivingCounter(10), receiving_broadcast=ReceivingCounter(0))
    for end in (client, server):
        end.use_dedicated_key(DK)
    with pytest.raises(InvocationCounterError):
        server.open(client.protect(b"text", 0x30), bytes, request=True)
    to_all = client.protect(b"text", 0x30, broadcast=True)
    assert to_all[0] == 0x70
    # A whole group knows the broadcast key: it opens nothing that was sent to one meter alone.
    with pytest.raises(PolicyViolation, match="broadcast"):
        server.open(to_all, bytes, request=True)
    assert server.open(to_all, bytes, request=True, broadcast=True)[0] == b"text"
    own = client.protect(b"text", 0x30, dedicated=True)
    assert own[1:5] == bytes(4)
    with pytest.raises(InvocationCounterError):
        server.open(own, bytes, request=True)
    with pytest.raises(TagMismatch):
        server.open(protect(EK, AK, CLIENT, 77, 0x30, b"text"), bytes, request=True, dedicated=True)
    assert server.open(own, bytes, request=True, dedicated=True)[0] == b"text"
    assert state(server)[:3] == (10, 2, 0)


def test_nothing_of_a_dedicated_key_is_persisted_and_a_new_one_starts_over() -> None:
    persisted: list[str] = []
    client, server = pair(persist=lambda key_set, counter: persisted.append(key_set))
    for key in (DK, bytes(reversed(DK))):
        for end in (client, server):
            end.use_dedicated_key(key)
        content = client.protect(b"text", 0x20, dedicated=True)
        assert server.open(content, bytes, request=True, dedicated=True)[1].counter == 0
    server.open(client.protect(b"text", 0x30, broadcast=True), bytes, request=True, broadcast=True)
    server.open(client.protect(b"text", 0x30), bytes, request=True)
    assert persisted == [BROADCAST_SET, UNICAST]


def test_a_missing_key_is_named() -> None:
    bare = SecurityContext(Keys(), CLIENT, SERVER, sending=SendingCounter(1, 9))
    for options, name in (({}, "unicast"), ({"broadcast": True}, "broadcast"), ({"dedicated": True}, "dedicated")):
        with pytest.raises(KeyMissing, match=name):
            bare.protect(b"text", 0x30, **options)
    given_ = SecurityContext(Keys(dedicated_key=DK, authentication_key=AK), CLIENT, SERVER)
    assert given_.protect(b"text", 0x30, dedicated=True) == protect(DK, AK, CLIENT, 0, 0x30, b"text")
    with pytest.raises(LocalProtocolError, match="without any protection"):
        bare.protect(b"text", 0x40)


def test_without_a_lease_and_at_the_end_nothing_is_sent() -> None:
    with pytest.raises(LocalProtocolError, match="leased"):
        SecurityContext(KEYS, CLIENT, SERVER).protect(b"text", 0x30)
    context = SecurityContext(KEYS, CLIENT, SERVER, sending=SendingCounter(END - 1, END))
    assert context.protect(b"", 0x30)[1:5] == b"\xff\xff\xff\xfe"
    with pytest.raises(CounterExhausted):
        context.protect(b"", 0x30)


# --- the counter of a proof -------------------------------------------------------------------------------


def received(server: SecurityContext, counter: int) -> None:
    server.open(protect(EK, AK, CLIENT, counter, 0x30, b"text"), bytes, request=True)


@given(before=st.integers(0, 50), enclosing=st.integers(1, 60), proof=st.integers(0, 70))
def test_a_proof_is_newer_than_what_was_before_the_apdu_around_it(before: int, enclosing: int, proof: int) -> None:
    _, server = pair()
    enclosing += before
    received(server, before)
    received(server, enclosing)
    if before < proof != enclosing:
        server.check_proof_counter(proof)
        server.commit_proof_counter(proof)
        assert server.receiving().last == max(enclosing, proof)
        with pytest.raises(InvocationCounterError):
            server.check_proof_counter(proof)
    else:
        with pytest.raises(InvocationCounterError):
            server.check_proof_counter(proof)
        assert server.receiving().last == enclosing


@given(last=st.none() | st.integers(0, 50), proof=st.integers(0, 70))
def test_a_proof_in_the_clear_is_newer_than_anything(last: int | None, proof: int) -> None:
    _, server = pair(receiving=ReceivingCounter(last))
    if last is None or proof > last:
        server.check_proof_counter(proof)
        server.commit_proof_counter(proof)
        assert server.receiving().last == proof
    with pytest.raises(InvocationCounterError):
        server.check_proof_counter(proof)


def test_the_first_apdu_of_all_may_enclose_a_proof() -> None:
    _, server = pair()
    received(server, 8)
    with pytest.raises(InvocationCounterError):
        server.check_proof_counter(8)
    server.check_proof_counter(7)


# --- what is shown ----------------------------------------------------------------------------------------


def test_keys_are_never_shown() -> None:
    client, server = pair(policy=BOTH)
    client.use_dedicated_key(DK)
    texts = [repr(client), str(client), repr(KEYS), str(KEYS), repr(Keys()), f"{KEYS}", repr(server.receiving())]
    for content in (b"", b"\x30" + bytes(40), b"\x20" + bytes(40), b"\x70" + bytes(40)):
        with pytest.raises((SecurityError, DecodeError)) as error:
            server.open(content, bytes, request=True)
        texts += [str(error.value), repr(error.value)]
    for text in texts:
        for key in (EK, AK, BK, DK):
            assert key.hex() not in text.lower()
            assert repr(key) not in text
    assert repr(KEYS) == "<Keys: global_unicast_encryption_key, authentication_key, global_broadcast_encryption_key>"
    assert repr(Keys()) == "<Keys: none>"
    assert "0 failures" in repr(client)


def test_refusals_of_the_association_count() -> None:
    _, server = pair()
    error = HlsFailed("no")
    assert server.refuse(error) is error
    assert server.failures == 1
    assert set(module.__all__) <= set(dir(module))

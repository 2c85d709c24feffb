"""Bad lines and hostile octets: a session ends in the right value or in a declared error, and the next one works."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from association.association_world import (
    CLIENT,
    ENERGY,
    FIVE,
    METHOD,
    POWER,
    SERVER,
    FakeMeter,
    RawClient,
    World,
    single,
    world,
)
from cosem.apdu.acse import Rlre, Rlrq
from cosem.apdu.action import ActionRequestNormal, ActionRequestWithList, ActionResponseNormal
from cosem.apdu.errors import ExceptionResponse
from cosem.apdu.fields import DataBlock
from cosem.apdu.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
)
from cosem.apdu.notify import DataNotification
from cosem.apdu.set import SetRequestNormal, SetRequestWithFirstDatablock, SetRequestWithList
from cosem.association.conversations import open_association, release
from cosem.association.steps import Call, Calls, Listen, Step
from cosem.codec import axdr
from cosem.errors import CosemError
from cosem.link import wrapper
from cosem.link.memory import LineQuality, LossyPipe

GET = GetRequestNormal(ENERGY, None)

# --- a session that checks itself --------------------------------------------------------------------------------


def octet_string(octets: bytes) -> bytes:
    return axdr.encode(axdr.octet_string(octets))


def session(both: World, sizes: list[int], kinds: list[str]) -> Generator[Step, Any, int]:
    """Do what `kinds` says with values of `sizes`, and check every answer against what the meter holds."""
    yield from open_association(both.initiator, both.random.randbytes)
    for kind, size in zip(kinds, sizes, strict=True):
        value = octet_string(both.random.randbytes(size))
        if kind == "get":
            both.objects.values[ENERGY] = value
            assert (yield Call(GET)).data == value
        elif kind == "set":
            assert (yield Call(SetRequestNormal(POWER, None, value))).result == 0
            assert both.objects.values[POWER] == value
        elif kind == "action":
            assert (yield Call(ActionRequestNormal(METHOD, value))).data == value
            assert both.objects.actions[-1] == (METHOD, value)
        elif kind == "get list":
            both.objects.values.update({ENERGY: value, POWER: FIVE})
            assert (yield Call(GetRequestWithList(((ENERGY, None), (POWER, None))))).results == (value, FIVE)
        elif kind == "set list":
            targets = ((ENERGY, None), (POWER, None))
            assert (yield Call(SetRequestWithList(targets, (value, FIVE)))).results == (0, 0)
            assert (both.objects.values[ENERGY], both.objects.values[POWER]) == (value, FIVE)
        elif kind == "action list":
            answer = yield Call(ActionRequestWithList((METHOD, METHOD), (value, FIVE)))
            assert [item.data for item in answer.results] == [value, FIVE]
        else:
            both.objects.values.update({ENERGY: value, POWER: FIVE})
            answers = yield Calls([GET, GetRequestNormal(POWER, None)] * 2, window=3)
            for answer, wanted in zip(answers, [value, FIVE] * 2, strict=True):
                if isinstance(answer, CosemError):
                    raise answer
                assert answer.data == wanted
    yield from release(both.initiator)
    return len(kinds)


KINDS = ["get", "set", "action", "get list", "set list", "action list", "calls"]
SECURITY = [(0, 0, "glo"), (1, 0x20, "glo"), (5, 0x30, "glo"), (6, 0x30, "ded"), (5, 0x10, "general")]


def attempt(both: World, sizes: list[int], kinds: list[str]) -> bool:
    """Run a session; say whether it came to its end. Anything but the right values or a declared error fails here."""
    try:
        assert both.run(session(both, sizes, kinds)) == len(kinds)
    except CosemError:
        return False
    return True


def fresh_session_works(both: World) -> None:
    both.driver.pipe = LossyPipe()
    both.driver.hook = None
    both.driver.cut()
    both.driver.connected = True
    assert attempt(both, [300] * len(KINDS), KINDS)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 700)), min_size=1, max_size=5),
    quality=st.builds(
        LineQuality,
        st.sampled_from([0.0, 0.05, 0.3]),
        st.sampled_from([0.0, 0.05, 0.3]),
        st.sampled_from([0.0, 0.05, 0.3]),
        st.sampled_from([0.0, 0.1, 2.9]),
        st.sampled_from([0.0, 0.5, 4.0]),
    ),
    security=st.sampled_from(SECURITY),
    seed=st.integers(0, 2**32),
    pdu=st.sampled_from([100, 250, 65535]),
)
def test_sessions_over_a_bad_line(
    steps: list[tuple[str, int]],
    quality: LineQuality,
    security: tuple[int, int, str],
    seed: int,
    pdu: int,
) -> None:
    both = world(*security, hdlc=True, quality=quality, seed=seed, server_pdu=300, max_pdu_size=pdu)
    attempt(both, [size for _, size in steps], [kind for kind, _ in steps])
    fresh_session_works(both)


class TorturePipe(LossyPipe):
    """A perfect line whose `number`-th delivery is lost or has one bit turned."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__()
        self.number = number
        self.what = what
        self.delivered = 0

    def deliver(self, side: int, now: float) -> bytes | None:
        octets = super().deliver(side, now)
        if octets is None:
            return None
        self.delivered += 1
        if self.delivered != self.number:
            return octets
        if self.what == "lost":
            return None
        if self.what == "doubled":
            return octets + octets
        middle = len(octets) // 2
        return octets[:middle] + bytes((octets[middle] ^ 0x10,)) + octets[middle + 1 :]


def number_of_deliveries(hdlc: bool, security: tuple[int, int, str]) -> int:
    pipe = TorturePipe(0, "")
    both = world(*security, hdlc=hdlc, pipe=pipe, server_pdu=300, max_pdu_size=200)
    assert attempt(both, [300] * len(KINDS), KINDS)
    return pipe.delivered


@pytest.mark.parametrize("what", ["lost", "corrupted", "doubled"])
@pytest.mark.parametrize("security", [SECURITY[0], SECURITY[2], SECURITY[3]], ids=str)
def test_every_delivery_fails_once(security: tuple[int, int, str], what: str) -> None:
    total = number_of_deliveries(True, security)
    assert total > 20
    for number in range(1, total + 1):
        both = world(*security, hdlc=True, pipe=TorturePipe(number, what), server_pdu=300, max_pdu_size=200)
        # HDLC repeats what was lost: one bad delivery never ends a session.
        assert attempt(both, [300] * len(KINDS), KINDS), number
        fresh_session_works(both)


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "hdlc"])
@pytest.mark.parametrize("security", [SECURITY[0], SECURITY[2], SECURITY[3]], ids=str)
def test_the_line_is_cut_at_every_delivery(security: tuple[int, int, str], hdlc: bool) -> None:
    total = number_of_deliveries(hdlc, security)
    cut_short = 0
    for number in range(1, total + 1):
        both = world(*security, hdlc=hdlc, server_pdu=300, max_pdu_size=200)

        def cut(step: int, both: World = both, number: int = number) -> None:
            if step == number:
                both.driver.cut()

        both.driver.hook = cut
        cut_short += not attempt(both, [300] * len(KINDS), KINDS)
        fresh_session_works(both)
    # only a cut while releasing leaves a session whole
    assert cut_short >= total - 4


# --- octets that a peer makes up ----------------------------------------------------------------------------------

REQUESTS = [
    GET.encode(0xC1),
    GetRequestNext(1).encode(0xC1),
    GetRequestWithList(((ENERGY, None), (POWER, None))).encode(0xC2),
    SetRequestNormal(ENERGY, None, FIVE).encode(0xC1),
    SetRequestWithFirstDatablock(ENERGY, None, DataBlock(False, 1, FIVE)).encode(0xC1),
    SetRequestWithList(((ENERGY, None),), (FIVE,)).encode(0xC1),
    ActionRequestNormal(METHOD, FIVE).encode(0xC1),
    Rlrq().encode(),
    RawClient().aarq(),
]
RESPONSES = [
    GetResponseNormal(FIVE).encode(0xC1),
    GetResponseWithDatablock(False, 1, FIVE).encode(0xC1),
    ActionResponseNormal(0, FIVE).encode(0xC1),
    ExceptionResponse(1, 6, 7).encode(),
    DataNotification(b"", FIVE).encode(1),
    Rlre(0).encode(),
    FakeMeter().accepting(),
    b"\xcc\x05\x30\x00\x00\x00\x00",
    b"\xdb\x00\x05\x20\x00\x00\x00\x00",
]


def mutated(samples: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return octets near to the samples: whole, cut, with octets changed, with a rest; or none of that."""

    @st.composite
    def draw(draw: st.DrawFn) -> bytes:
        octets = bytearray(draw(st.sampled_from(samples)))
        for _ in range(draw(st.integers(0, 3))):
            octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
        octets = octets[: draw(st.integers(1, len(octets)))] if draw(st.booleans()) else octets
        return bytes(octets) + draw(st.one_of(st.just(b""), st.binary(max_size=5)))

    return st.one_of(draw(), draw(), st.binary(min_size=1, max_size=40))


def written(octets: bytes, whole: bool) -> list[bytes]:
    return [octets] if whole else [octets[index : index + 1] for index in range(len(octets))]


@settings(max_examples=200, deadline=None)
@given(
    apdus=st.lists(mutated(REQUESTS), max_size=8),
    rest=st.binary(max_size=20),
    whole=st.booleans(),
    state=st.sampled_from(["none", "associated", "pending", "ciphered"]),
    protect=st.booleans(),
)
def test_any_octets_into_the_responder(apdus: list[bytes], rest: bytes, whole: bool, state: str, protect: bool) -> None:
    from cosem.security.policy import BOTH

    client = RawClient(6 if state == "pending" else 0, ciphered=state == "ciphered", policy=BOTH)
    if state == "pending":
        client.associate(auth=bytes(16))
    elif state == "ciphered":
        client.associate(protection=0x30)
    elif state == "associated":
        client.associate(pdu=20)
    for apdu in apdus:
        if protect and state == "ciphered":
            content = client.security.protect(apdu, 0x30)
            apdu = b"\xc8\x82" + len(content).to_bytes(2, "big") + content
        for part in written(wrapper.build(CLIENT, SERVER, apdu), whole):
            client.responder.receive(part, client.now)
        client.responder.take()
    client.responder.receive(rest, client.now)
    client.responder.handle_timer(1000.0)
    client.responder.lost(1000.0)
    assert client.status == []


@settings(max_examples=200, deadline=None)
@given(octets=st.binary(max_size=200), whole=st.booleans())
def test_any_octets_into_both_ends_of_an_hdlc_line(octets: bytes, whole: bool) -> None:
    both = world(hdlc=True)
    both.associate()
    for part in written(octets, whole):
        both.initiator.receive(part, 0.0)
        both.responder.receive(part, 0.0)


@settings(max_examples=200, deadline=None)
@given(
    apdus=st.lists(mutated(RESPONSES), max_size=8),
    rest=st.binary(max_size=20),
    whole=st.booleans(),
    security=st.sampled_from([(0, ""), (0x20, "glo"), (0x30, "glo"), (0x30, "ded")]),
    step=st.sampled_from(
        [
            Call(GET),
            Call(GetRequestWithList(((ENERGY, None), (POWER, None)))),
            Call(SetRequestNormal(ENERGY, None, bytes((9, 80)) + bytes(80))),
            Call(ActionRequestNormal(METHOD, bytes((9, 80)) + bytes(80))),
            Calls([GET] * 3, window=3),
            Listen(timeout=5),
        ]
    ),
    protect=st.booleans(),
)
def test_any_octets_into_the_initiator(
    apdus: list[bytes], rest: bytes, whole: bool, security: tuple[int, str], step: Step, protect: bool
) -> None:
    fake = FakeMeter(0, security[0], security[1] or "glo")
    fake.associate(fake.accepting(pdu=80))
    running = fake.initiator.start(single(step), 0.0)
    for apdu in apdus:
        if protect and security[0]:
            content = fake.security.protect(apdu, security[0])
            apdu = b"\xcc\x82" + len(content).to_bytes(2, "big") + content
        for part in written(wrapper.build(SERVER, CLIENT, apdu), whole):
            fake.initiator.receive(part, 0.0)
        fake.initiator.take()
    fake.initiator.receive(rest, 0.0)
    for now in (0.5, 2.0, 20.0, 200.0):
        fake.initiator.handle_timer(now)
    assert running.done
    with contextlib.suppress(CosemError):
        running.outcome()


@settings(max_examples=200, deadline=None)
@given(
    answer=mutated(
        [FakeMeter().accepting(), FakeMeter(0, 0x30).accepting(), FakeMeter(6).accepting(auth_value=bytes(9))]
    ),
    security=st.sampled_from([(0, 0), (1, 0), (6, 0), (5, 0x30), (0, 0x30), (0, 0x20)]),
    then=mutated(RESPONSES),
)
def test_any_octets_instead_of_an_aare(answer: bytes, security: tuple[int, int], then: bytes) -> None:
    fake = FakeMeter(*security)
    fake.answering = lambda service, invoke: [answer if service.tag == 0x60 else then]
    with contextlib.suppress(CosemError):
        fake.driver.run(open_association(fake.initiator, fake.random.randbytes))
    with contextlib.suppress(CosemError):
        fake.driver.run(release(fake.initiator))
    assert fake.initiator.state.value in ("no link", "link layer connected, no association")


@settings(max_examples=100, deadline=None)
@given(apdus=st.lists(mutated([RawClient(6).aarq(auth=bytes(16)), RawClient(1).aarq()]), min_size=1, max_size=4))
def test_any_octets_instead_of_an_aarq(apdus: list[bytes]) -> None:
    for mechanism, ciphered in ((0, False), (1, False), (6, False), (5, True)):
        client = RawClient(mechanism, ciphered=ciphered)
        for apdu in apdus:
            for answer in client.ask(apdu):
                assert answer

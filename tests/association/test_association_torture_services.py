"""The services beyond GET, SET and ACTION over bad lines: the right value or a declared error, whichever step fails."""

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
    METER_TITLE,
    METHOD,
    POWER,
    SERVER,
    UNKNOWN,
    FakeMeter,
    RawClient,
    World,
    world,
)
from association.test_association_services import Names
from association.test_association_torture import TorturePipe, mutated, octet_string, written
from cosem.apdu import (
    AccessRequest,
    AccessResponse,
    AccessResult,
    AccessSpecification,
    BlockNumber,
    BlockNumberAccess,
    DataBlockResult,
    DataNotification,
    GeneralBlockTransfer,
    GetRequestNormal,
    GetRequestWithList,
    InformationReport,
    InitiateRequest,
    ParameterizedAccess,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    SetRequestNormal,
    UnconfirmedWriteRequest,
    VariableName,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
)
from cosem.association.conversations import open_association, release
from cosem.association.state import CLIENT as CLIENT_TABLE
from cosem.association.state import Client, ClientEvent, Server
from cosem.association.steps import Call, Calls, Listen, Post, Step
from cosem.conformance_block import LN_ALL, SN_ALL, Conformance
from cosem.errors import AccessError, CosemError
from cosem.link import wrapper
from cosem.link.memory import LineQuality, LossyPipe

NULL = b"\x00"
LN_KINDS = ["access", "long get", "long set", "list", "post", "push"]
SN_KINDS = ["read", "write", "unconfirmed write", "parameterized read"]
FORMS = [(0, 0, "glo"), (5, 0x30, "glo"), (6, 0x30, "ded"), (0, 0x30, "general")]
SN_FORMS = [(0, 0, "glo"), (1, 0x30, "glo"), (0, 0x30, "ded"), (1, 0x30, "general")]


def ends(form: tuple[int, int, str], sn: bool, *, blocks: bool = True, **other: Any) -> World:
    conformance = SN_ALL if sn else LN_ALL
    if not blocks:
        conformance &= ~Conformance.GENERAL_BLOCK_TRANSFER
    made = world(
        *form,
        conformance=conformance,
        referencing="sn" if sn else "ln",
        server_pdu=150,
        max_pdu_size=150,
        block_window=4,
        **({"confirm_notifications": True} | other),
    )
    made.initiator.settings.conformance = conformance
    made.objects.profiles[CLIENT].referencing = "sn" if sn else "ln"
    names = Names(made.objects)
    made.responder.server = made.responder._admission.server = names
    made.names = names  # type: ignore[attr-defined]
    return made


def succeeded(answer: Any) -> Any:
    """Return an answer, or raise what it says: a block that is asked for twice ends a long answer."""
    if getattr(answer, "result", 0) in (16, 18, 19):
        raise AccessError(answer.result)
    return answer


def session(both: World, steps: list[tuple[str, int]]) -> Generator[Step, Any, int]:
    """Do what `steps` say, and check every answer against what the meter holds."""
    yield from open_association(both.initiator, both.random.randbytes)
    held, names = both.objects.values, both.names.names  # type: ignore[attr-defined]
    for kind, size in steps:
        value = octet_string(both.random.randbytes(size))
        held[ENERGY] = names[0x2808] = value
        if kind == "access":
            specs = [AccessSpecification(1, ENERGY), AccessSpecification(2, POWER), AccessSpecification(3, METHOD)]
            answer = yield Call(AccessRequest((*specs, AccessSpecification(1, UNKNOWN)), (NULL, value, FIVE, NULL)))
            assert answer.values == (value, NULL, FIVE, NULL)
            assert [int(item.result) for item in answer.results] == [0, 0, 0, 4]
            assert held[POWER] == value
        elif kind == "long get":
            assert succeeded((yield Call(GetRequestNormal(ENERGY, None)))).data == value
        elif kind == "long set":
            assert succeeded((yield Call(SetRequestNormal(POWER, None, value)))).result == 0
            assert held[POWER] == value
        elif kind == "list":
            assert succeeded((yield Call(GetRequestWithList(((ENERGY, None),) * 3)))).results == (value,) * 3
        elif kind == "post":
            yield Post(SetRequestNormal(POWER, None, value))
            assert (yield Call(GetRequestNormal(ENERGY, None))).data == value
            assert held.get(POWER) is None or len(held[POWER]) > 1
        elif kind == "push":
            protection = both.initiator.settings.protection
            both.responder.notify(
                both.address, DataNotification(b"", value), invoke=size, protection=protection, confirmed=True
            )
            pushed = yield Listen(2.0)
            # A push may be lost; another's value it never is.
            assert pushed is None or pushed.data == value or size > 100
        elif kind == "read":
            assert (yield Call(ReadRequest((VariableName(0x2808), VariableName(9))))).results == (value, 4)
        elif kind == "parameterized read":
            wanted = ReadRequest((ParameterizedAccess(0x2808, 1, value),))
            assert (yield Call(wanted)).results == (value,)
        elif kind == "write":
            assert (yield Call(WriteRequest((VariableName(0x2808), VariableName(9)), (FIVE, value)))).results == (0, 4)
            assert names[0x2808] == FIVE
        else:
            yield Post(UnconfirmedWriteRequest((VariableName(0x2808),), (value,)))
            assert (yield Call(ReadRequest((VariableName(0x2808),)))).results == (value,)
    yield from release(both.initiator)
    return len(steps)


def attempt(both: World, steps: list[tuple[str, int]]) -> bool:
    try:
        assert both.run(session(both, steps)) == len(steps)
    except CosemError:
        return False
    return True


def everything(sn: bool, blocks: bool = True) -> list[tuple[str, int]]:
    """Return a session of everything; what is posted has no blocks of its own, and needs the general ones."""
    kinds = SN_KINDS if sn else LN_KINDS
    return [(kind, 300 if blocks or kind != "unconfirmed write" else 50) for kind in kinds]


def fresh_session_works(both: World, sn: bool, blocks: bool = True) -> None:
    both.driver.pipe = LossyPipe()
    both.driver.hook = None
    both.driver.cut()
    both.driver.connected = True
    while both.initiator.scheduler._notifications:
        both.call(Listen(0.1))
    assert attempt(both, everything(sn, blocks))


def deliveries(form: tuple[int, int, str], sn: bool, *, blocks: bool = True, **other: Any) -> int:
    pipe = TorturePipe(0, "")
    assert attempt(ends(form, sn, pipe=pipe, blocks=blocks, **other), everything(sn, blocks))
    return pipe.delivered


@pytest.mark.parametrize("what", ["lost", "corrupted", "doubled"])
@pytest.mark.parametrize(
    ("form", "sn", "blocks"),
    [(FORMS[0], False, True), (FORMS[2], False, True), (SN_FORMS[0], True, True), (SN_FORMS[2], True, False)],
    ids=str,
)
def test_every_delivery_fails_once(form: tuple[int, int, str], sn: bool, blocks: bool, what: str) -> None:
    total = deliveries(form, sn, hdlc=True, blocks=blocks)
    assert total > 20
    for number in range(1, total + 1):
        both = ends(form, sn, hdlc=True, blocks=blocks, pipe=TorturePipe(number, what))
        # HDLC repeats what was lost; only what is posted or pushed may not come.
        assert attempt(both, everything(sn, blocks)), number
        if number % 7 == 0:
            fresh_session_works(both, sn, blocks)


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "hdlc"])
@pytest.mark.parametrize(("form", "sn"), [(FORMS[1], False), (SN_FORMS[3], True)], ids=str)
def test_the_line_is_cut_at_every_delivery(form: tuple[int, int, str], sn: bool, hdlc: bool) -> None:
    total = deliveries(form, sn, hdlc=hdlc)
    cut_short = 0
    for number in range(1, total + 1):
        both = ends(form, sn, hdlc=hdlc)

        def cut(step: int, both: World = both, number: int = number) -> None:
            if step == number:
                both.driver.cut()

        both.driver.hook = cut
        cut_short += not attempt(both, everything(sn))
        if number % 5 == 0:
            fresh_session_works(both, sn)
    # Only a cut while releasing leaves a session whole.
    assert cut_short >= total - 8


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 700), min_size=1, max_size=5),
    sn=st.booleans(),
    kinds=st.integers(0, 23),
    quality=st.builds(
        LineQuality,
        st.sampled_from([0.0, 0.05, 0.3]),
        st.sampled_from([0.0, 0.05, 0.3]),
        st.sampled_from([0.0, 0.05, 0.3]),
        st.sampled_from([0.0, 0.1, 2.9]),
        st.sampled_from([0.0, 0.5, 4.0]),
    ),
    form=st.integers(0, 3),
    hdlc=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_sessions_over_a_bad_line(
    sizes: list[int], sn: bool, kinds: int, quality: LineQuality, form: int, hdlc: bool, seed: int
) -> None:
    if not hdlc:
        # The wrapper's line is TCP or UDP: neither alters octets. What comes twice by UDP is told apart by its
        # invoke-id; Read and Write have none.
        quality = LineQuality(quality.loss, 0.0 if sn else quality.duplication, 0.0, quality.delay, quality.jitter)
    names = [kind for kind in (SN_KINDS if sn else LN_KINDS) if hdlc or kind not in ("post", "unconfirmed write")]
    both = ends((SN_FORMS if sn else FORMS)[form], sn, hdlc=hdlc, quality=quality, seed=seed)
    attempt(both, [(names[(kinds + index) % len(names)], size) for index, size in enumerate(sizes)])
    fresh_session_works(both, sn)


# --- octets that a peer makes up -----------------------------------------------------------------------------------

REQUESTS = [
    AccessRequest((AccessSpecification(1, ENERGY), AccessSpecification(2, POWER)), (NULL, FIVE)).encode(0xC0000001),
    GeneralBlockTransfer(True, False, 3, 1, 0, GetRequestNormal(ENERGY, None).encode(0xC1)).encode(),
    GeneralBlockTransfer(False, True, 3, 1, 0, GetRequestNormal(ENERGY, None).encode(0xC1)[:4]).encode(),
    GeneralBlockTransfer(True, False, 3, 2, 1, GetRequestNormal(ENERGY, None).encode(0xC1)[4:]).encode(),
    GeneralBlockTransfer(True, False, 0, 1, 0, SetRequestNormal(POWER, None, FIVE).encode(0x81)).encode(),
    ReadRequest((VariableName(0x2808), ParameterizedAccess(0x2808, 1, FIVE))).encode(),
    ReadRequest((BlockNumberAccess(1),)).encode(),
    ReadRequest((ReadDataBlockAccess(True, 1, ReadRequest((VariableName(0x2808),)).encode()[1:]),)).encode(),
    WriteRequest((VariableName(0x2808),), (FIVE,)).encode(),
    WriteRequest((WriteDataBlockAccess(False, 1),), (octet_string(b"\x01"),)).encode(),
    UnconfirmedWriteRequest((VariableName(0x2808),), (FIVE,)).encode(),
]
ANSWERS = [
    AccessResponse((FIVE, NULL), (AccessResult(1, 0), AccessResult(2, 0))).encode(1),
    GeneralBlockTransfer(False, False, 3, 1, 0, b"\xc4\x01").encode(),
    GeneralBlockTransfer(True, False, 3, 2, 1, b"\xc1\x00" + FIVE).encode(),
    GeneralBlockTransfer(True, False, 0, 1, 0, DataNotification(b"", FIVE).encode(1)).encode(),
    ReadResponse((FIVE,)).encode(),
    ReadResponse((DataBlockResult(False, 1, b"\x01"),)).encode(),
    ReadResponse((BlockNumber(1),)).encode(),
    WriteResponse((0,)).encode(),
    WriteResponse((BlockNumber(1),)).encode(),
    InformationReport(None, (VariableName(0x2808),), (FIVE,)).encode(),
]


@settings(max_examples=150, deadline=None)
@given(st.lists(mutated(REQUESTS), max_size=8), st.booleans(), st.booleans(), st.sampled_from([0, 20, 60]))
def test_any_octets_into_the_responder(apdus: list[bytes], sn: bool, whole: bool, pdu: int) -> None:
    conformance = SN_ALL if sn else LN_ALL
    client = RawClient(conformance=conformance)
    client.objects.profiles[CLIENT].referencing = "sn" if sn else "ln"
    names = Names(client.objects)
    client.responder.server = client.responder._admission.server = names
    client.one(client.aarq(context=2 if sn else 1, initiate=InitiateRequest(int(conformance), pdu).encode()))
    for apdu in apdus:
        for part in written(wrapper.build(CLIENT, SERVER, apdu), whole):
            client.responder.receive(part, client.now)
        client.responder.take()
    for asked in (ReadRequest((VariableName(1),)).encode() if sn else GetRequestNormal(UNKNOWN, None).encode(0xC1),):
        if client.status:
            assert len(client.ask(asked)) >= 1
    client.responder.lost(1.0)
    assert client.status == []


@settings(max_examples=150, deadline=None)
@given(
    apdus=st.lists(mutated(ANSWERS), max_size=8),
    step=st.sampled_from(
        [
            Call(GetRequestNormal(ENERGY, None)),
            Call(AccessRequest((AccessSpecification(1, ENERGY), AccessSpecification(2, POWER)), (NULL, FIVE))),
            Call(ReadRequest((VariableName(0x2808),))),
            Call(WriteRequest((VariableName(0x2808),), (octet_string(bytes(100)),))),
            Call(SetRequestNormal(POWER, None, octet_string(bytes(200)))),
            Calls([GetRequestNormal(ENERGY, None)] * 3, window=3),
            Listen(timeout=5),
        ]
    ),
    security=st.sampled_from([(0, "glo"), (0x30, "glo")]),
)
def test_any_octets_into_the_initiator(apdus: list[bytes], step: Step, security: tuple[int, str]) -> None:
    everything = LN_ALL | SN_ALL
    fake = FakeMeter(0, *security, conformance=everything)
    fake.associate(fake.accepting(conformance=int(everything), pdu=80))

    def one() -> Any:
        return (yield step)

    running = fake.initiator.start(one(), 0.0)
    for apdu in apdus:
        fake.initiator.receive(wrapper.build(SERVER, CLIENT, apdu), 0.0)
        fake.initiator.take()
    for now in (0.5, 2.0, 5.0, 10.0, 20.0, 200.0):
        fake.initiator.handle_timer(now)
        fake.initiator.take()
    for _ in range(20):
        now += 100.0
        fake.initiator.handle_timer(now)
    assert running.done
    with contextlib.suppress(CosemError):
        running.outcome()


# --- the tables, walked ----------------------------------------------------------------------------------------------

REACHED = frozenset(CLIENT_TABLE.values())


@settings(max_examples=100, deadline=None)
@given(
    orders=st.lists(st.sampled_from(["open", "call", "release", "cut", "time", "push", "reopen"]), max_size=12),
    form=st.sampled_from(FORMS),
    hdlc=st.booleans(),
    assumed=st.booleans(),
    loss=st.sampled_from([0.0, 0.0, 0.2]),
    seed=st.integers(0, 2**32),
)
def test_whatever_is_ordered_both_ends_stand_where_their_tables_say(
    orders: list[str], form: tuple[int, int, str], hdlc: bool, assumed: bool, loss: float, seed: int
) -> None:
    """Any orders, in any state, with or without an AARQ: a result or a declared error, and a state of the table."""
    other: dict[str, Any] = {}
    if assumed:
        form = (0, form[1], "general")
        other = {"pre_established": True, "meter_system_title": METER_TITLE}
    both = ends(form, False, hdlc=hdlc, quality=LineQuality(loss=loss), seed=seed, **other)
    if assumed:
        both.objects.profiles[CLIENT].pre_established = True
        both.objects.profiles[CLIENT].client_system_title = b"CSMclien"
    taken: list[tuple[Client, ClientEvent]] = []
    move = both.initiator.move

    def watched(event: ClientEvent) -> None:
        before = both.initiator.state
        move(event)
        taken.append((before, event))

    both.initiator.move = watched  # type: ignore[method-assign]
    for order in orders:
        with contextlib.suppress(CosemError):
            if order in ("open", "reopen"):
                both.associate()
            elif order == "call":
                assert both.call(Call(GetRequestNormal(ENERGY, None), timeout=3.0)).data == FIVE
            elif order == "release":
                both.run(release(both.initiator))
            elif order == "cut":
                both.driver.cut()
                both.driver.connected = True
            elif order == "push":
                both.responder.notify(both.address, DataNotification(b"", FIVE), protection=form[1])
            else:
                both.call(Listen(200.0))
        assert both.initiator.state in REACHED
        assert all(CLIENT_TABLE[step] for step in taken)
        assert both.initiator.state not in (Client.ASSOCIATING, Client.PROVING, Client.RELEASING)
        assert {item.status for item in both.responder.sessions} <= {Server.PENDING.value, Server.ASSOCIATED.value}
    assert (ClientEvent.ASSUME in {event for _, event in taken}) <= assumed
    both.driver.pipe.quality = LineQuality()
    both.driver.cut()
    both.driver.connected = True
    both.associate()
    assert both.call(Call(GetRequestNormal(ENERGY, None))).data == FIVE

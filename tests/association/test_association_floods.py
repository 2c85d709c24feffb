"""Peers that never end: each costs its own session, within the limits that are named, and the next request works."""

from __future__ import annotations

from typing import Any

import pytest

from association.association_world import (
    CLIENT,
    ENERGY,
    FIVE,
    METHOD,
    POWER,
    SERVER,
    UNKNOWN,
    FakeMeter,
    RawClient,
    single,
    world,
)
from cosem.apdu import (
    AccessRequest,
    AccessSpecification,
    ActionRequestWithList,
    ActionResponseWithPblock,
    GeneralBlockTransfer,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
    InitiateRequest,
    ReadRequest,
    SetRequestNormal,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithList,
    SetRequestWithListAndFirstDatablock,
    VariableName,
    WriteRequest,
    parse,
)
from cosem.apdu.action import ActionRequestNormal, ActionRequestWithListAndFirstPblock
from cosem.apdu.fields import DataBlock
from cosem.apdu.notify import DataNotification
from cosem.association import serving as serving_room
from cosem.association import short_names as short_names_room
from cosem.association import transfer as transfer_room
from cosem.association.blocks import MAX_IDLE_TURNS, MAX_WINDOW
from cosem.association.serving import MAX_ITEMS
from cosem.association.steps import Call, Calls, Listen
from cosem.association.transfer import Incoming
from cosem.codec import axdr
from cosem.conformance_block import LN_ALL, LN_CORE, Conformance
from cosem.errors import DecodeError, RemoteProtocolError, Timeout
from cosem.link import scheduler as scheduler_room
from cosem.link import wrapper

GET = GetRequestNormal(ENERGY, None)
HUNDRED = axdr.encode(axdr.octet_string(bytes(100)))
CONFIRMED = 0xC1


def initiate(conformance: Conformance = LN_ALL, pdu: int = 0) -> bytes:
    return InitiateRequest(int(conformance), pdu).encode()


def client_of(conformance: Conformance = LN_ALL, pdu: int = 0, **other: Any) -> RawClient:
    client = RawClient(conformance=conformance, max_pdu_size=0, **other)
    client.associate(initiate=initiate(conformance, pdu))
    return client


def assert_alive(client: RawClient) -> None:
    assert client.one(GET.encode(0xC2)).data in (FIVE, HUNDRED)


# --- clients that flood a meter ----------------------------------------------------------------------------------

MANY = MAX_ITEMS + 1


@pytest.mark.parametrize(
    "request_",
    [
        GetRequestWithList(((ENERGY, None),) * MANY),
        SetRequestWithList(((POWER, None),) * MANY, (FIVE,) * MANY),
        SetRequestWithListAndFirstDatablock(((POWER, None),) * MANY, DataBlock(False, 1, b"x")),
        ActionRequestWithList((METHOD,) * MANY, (FIVE,) * MANY),
        ActionRequestWithListAndFirstPblock((METHOD,) * MANY, DataBlock(False, 1, b"x")),
        AccessRequest((AccessSpecification(1, ENERGY),) * MANY, (b"\x00",) * MANY),
    ],
    ids=lambda item: item.service,
)
def test_a_list_without_measure_is_refused_and_nothing_of_it_done(request_: Any) -> None:
    client = client_of()
    octets = request_.encode(0xC1 if request_.tag != 0xD9 else 0xC0000001)
    assert client.one(octets).service_error == 4
    assert client.objects.protections == []
    assert_alive(client)


@pytest.mark.parametrize("request_", [ReadRequest, WriteRequest])
def test_short_names_without_measure_are_refused(request_: Any) -> None:
    from association.test_association_services import raw_short_names

    client = raw_short_names()
    names = (VariableName(0x2808),) * MANY
    client.objects.profiles[CLIENT].max_pdu_size = 0
    asked = request_(names) if request_ is ReadRequest else request_(names, (FIVE,) * MANY)
    assert client.one(asked.encode()).service_error == 4
    assert client.names.asked == []  # type: ignore[attr-defined]


def test_a_list_whose_answers_have_no_measure_is_answered_up_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_room, "MAX_ANSWERED", 250)
    client = client_of()
    client.objects.values[ENERGY] = HUNDRED
    results = client.one(GetRequestWithList(((ENERGY, None),) * 6).encode(0xC1)).results
    assert results == (HUNDRED,) * 3 + (250,) * 3
    outcomes = client.one(ActionRequestWithList((METHOD,) * 6, (HUNDRED,) * 6).encode(0xC1)).results
    assert [item.result for item in outcomes] == [0] * 3 + [250] * 3
    assert len(client.objects.actions) == 3
    accesses = AccessRequest((AccessSpecification(1, ENERGY),) * 6, (b"\x00",) * 6)
    answer = client.one(accesses.encode(0xC0000001))
    assert [item.result for item in answer.results] == [0] * 3 + [250] * 3
    assert_alive(client)


def test_short_names_whose_answers_have_no_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    from association.test_association_services import raw_short_names

    monkeypatch.setattr(short_names_room, "MAX_ANSWERED", 250)
    client = raw_short_names()
    client.names.names[0x2808] = HUNDRED  # type: ignore[attr-defined]
    asked = ReadRequest((VariableName(0x2808),) * 6).encode()
    assert client.one(asked).results == (HUNDRED,) * 3 + (250,) * 3


def test_long_answers_that_nobody_fetches_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_room, "MAX_SENDING", 250)
    client = client_of(LN_CORE, pdu=40)
    client.objects.values[ENERGY] = HUNDRED
    for invoke in (1, 2, 3):
        assert client.one(GET.encode(0xC0 | invoke)).service == "get-response-with-datablock"
    from cosem.apdu.get import GetRequestNext

    assert client.one(GetRequestNext(1).encode(0xC1)).result == 16
    assert client.one(GetRequestNext(1).encode(0xC2)).block_number == 2
    assert client.one(GetRequestNext(1).encode(0xC3)).block_number == 2


def test_transfers_that_are_never_finished_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_room, "MAX_RECEIVED", 1000)
    client = client_of(LN_CORE)
    for invoke in range(3):
        first = SetRequestWithFirstDatablock(POWER, None, DataBlock(False, 1, bytes(300)))
        assert client.one(first.encode(0xC0 | invoke)).block_number == 1
    more = SetRequestWithDatablock(DataBlock(False, 2, bytes(300)))
    assert client.one(more.encode(0xC0)).block_number == 2
    refused = client.one(more.encode(0xC2))
    assert (refused.service, refused.result) == ("set-response-last-datablock", 19)
    assert POWER not in client.objects.values
    assert_alive(client)


def test_an_answer_of_more_blocks_than_there_are_numbers_is_refused() -> None:
    client = client_of(LN_ALL & ~Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ, pdu=12)
    client.objects.values[ENERGY] = axdr.encode(axdr.octet_string(bytes(400_000)))
    assert client.one(GET.encode(CONFIRMED)).service_error == 4
    client.objects.values[ENERGY] = FIVE
    assert_alive(client)


@pytest.mark.parametrize("window", [1, MAX_WINDOW])
def test_blocks_without_an_end_are_ended_by_the_meter(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from cosem.association import responder as responder_room

    monkeypatch.setattr(responder_room, "MAX_RECEIVED", 10_000)
    client = client_of()
    refused = None
    for number in range(1, 1000):
        block = GeneralBlockTransfer(False, number % window != 0, window, number, max(0, number - 1), bytes(100))
        answers = client.ask(block._replace(block_number_ack=0).encode())
        if answers and parse(answers[-1]).service.service == "exception-response":
            refused = number
            break
    assert refused == 101
    assert_alive(client)


def test_a_client_that_only_acknowledges_is_ended_by_the_meter() -> None:
    client = client_of(pdu=50)
    client.objects.values[ENERGY] = HUNDRED
    turns = 0
    answers = client.ask(GeneralBlockTransfer(True, False, 1, 1, 0, GET.encode(CONFIRMED)).encode())
    number = 1
    while parse(answers[0]).service.service == "general-block-transfer":
        number += 1
        turns += 1
        answers = client.ask(GeneralBlockTransfer(False, False, 1, number, 0, b"").encode())
        assert len(answers) == 1
        assert turns < 1000
    assert turns == MAX_IDLE_TURNS + 1
    client.objects.values[ENERGY] = FIVE
    assert_alive(client)


@pytest.mark.parametrize("announced", ["84ffffffff", "847fffffff", "83ffffff"])
def test_lengths_of_gigabytes_cost_nothing(announced: str) -> None:
    client = client_of()
    target = "00030100010700ff02"
    for octets in (
        "c101c1" + target + "0009" + announced,  # an octet-string
        "c101c1" + target + "0001" + announced,  # an array
        "c301c1" + "0046000060030aff01" + "0109" + announced,
        "c003c1" + announced,
        "d9c0000001" + announced,
        "e08100010000" + announced,
        "60" + announced,
    ):
        answers = client.ask(bytes.fromhex(octets) + bytes(10))
        assert len(answers) == 1
    client.associate(initiate=initiate())
    assert_alive(client)


def test_an_array_of_more_elements_than_anybody_needs_is_refused_before_it_is_read() -> None:
    with pytest.raises(DecodeError, match="array of 4194305 elements, more than"):
        axdr.decode(b"\x01\x83\x40\x00\x01" + bytes(0x400001))


def test_address_pairs_without_measure_leave_the_first_ones_alone() -> None:
    client = client_of()
    for number in range(2, 1000):
        client.ask(GET.encode(CONFIRMED), client=number)
    assert len(client.responder.link._open) <= wrapper.MAX_ADDRESSES  # type: ignore[attr-defined]
    assert client.status == [2]
    assert_alive(client)


def test_half_open_sessions_end_by_themselves() -> None:
    client = RawClient(6)
    client.associate(auth=bytes(16))
    assert client.status == [1]
    due = client.responder.next_timer()
    assert due is not None
    for _ in range(100):
        # Asking for other things does not keep it open.
        client.now += 0.5
        assert client.one(GET.encode(CONFIRMED)).result == 3
    assert client.responder.next_timer() == due
    client.responder.handle_timer(due)
    assert client.status == []


def test_replays_without_end_change_nothing() -> None:
    client = RawClient(0, ciphered=True)
    client.associate(protection=0x30)
    asked = client.protected(GET.encode(CONFIRMED))
    assert len(client.ask(asked)) == 1
    for _ in range(200):
        (refused,) = client.ask(asked)
        assert parse(refused).service.invocation_counter is not None
    assert client.status == [2]
    assert client.opened(client.ask(client.protected(GET.encode(CONFIRMED)))[0]).data == FIVE


# --- meters that never end ---------------------------------------------------------------------------------------


def lying(**other: Any) -> FakeMeter:
    fake = FakeMeter(conformance=LN_ALL, response_timeout=5.0, **other)
    fake.associate(fake.accepting(conformance=int(LN_ALL), pdu=1024))
    fake.initiator._one_at_a_time = other.get("blocks", True)
    return fake


def asked_again(fake: FakeMeter) -> bytes | None:
    fake.answering = lambda service, invoke: [GetResponseNormal(FIVE).encode(invoke or 0)]
    answer: bytes | None = fake.driver.run(single(Call(GET))).data
    return answer


@pytest.mark.parametrize("size", [1, 1000])
def test_get_blocks_without_end(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_room, "MAX_BLOCKS", 500)
    monkeypatch.setattr(Incoming.__init__, "__defaults__", (100_000,))
    fake = lying()
    numbers = iter(range(1, 10**9))
    fake.answering = lambda service, invoke: [
        GetResponseWithDatablock(False, next(numbers), bytes(size)).encode(invoke or 0)
    ]
    kept: list[bytes] = []
    with pytest.raises(RemoteProtocolError, match="more than 500 blocks" if size == 1 else "more than 100000 octets"):
        fake.call(Call(GET, sink=kept.append))
    # What was read is not lost.
    assert len(kept) == (500 if size == 1 else 100)
    assert asked_again(fake) == FIVE


def test_action_blocks_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_room, "MAX_BLOCKS", 50)
    fake = lying()
    numbers = iter(range(1, 10**9))
    fake.answering = lambda service, invoke: [
        ActionResponseWithPblock(DataBlock(False, next(numbers), b"x")).encode(invoke or 0)
    ]
    with pytest.raises(RemoteProtocolError, match="more than 50 blocks"):
        fake.call(Call(ActionRequestNormal(METHOD, FIVE)))
    assert asked_again(fake) == FIVE


@pytest.mark.parametrize("number", [0, 2, 0xFFFFFFFF])
def test_get_blocks_out_of_turn(number: int) -> None:
    fake = lying()
    fake.answering = lambda service, invoke: [GetResponseWithDatablock(False, number, b"x").encode(invoke or 0)]
    with pytest.raises(RemoteProtocolError, match="block"):
        fake.call(Call(GET))
    assert asked_again(fake) == FIVE


def endless(window: int, data: bytes, streaming: bool) -> Any:
    """Answer every APDU with the next blocks, and never with the last one."""
    numbers = iter(range(1, 10**9))

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        acknowledged = service.block_number if service.tag == 0xE0 else 0
        row = [next(numbers) for _ in range(max(1, window))]
        return [
            GeneralBlockTransfer(
                False, streaming or number != row[-1], window, number & 0xFFFF, acknowledged, data
            ).encode()
            for number in row
        ]

    return answering


@pytest.mark.parametrize(("data", "error"), [(b"x", RemoteProtocolError), (b"", Timeout)])
def test_general_blocks_without_end_end_in_words(data: bytes, error: type[Exception]) -> None:
    """Where they carry something they end with their numbers, and where they do not nobody answers them."""
    fake = lying()
    fake.answering = endless(MAX_WINDOW, data, streaming=False)
    with pytest.raises(error, match=r"block 0|no answer"):
        fake.call(Call(GET))
    assert asked_again(fake) == FIVE


def test_a_stream_that_never_hands_over_ends_with_the_numbers() -> None:
    fake = lying()
    fake.answering = endless(MAX_WINDOW, b"x", streaming=True)
    with pytest.raises(RemoteProtocolError, match="block 0"):
        fake.call(Call(GET))
    assert asked_again(fake) == FIVE


def test_the_same_block_again_and_again_does_not_put_the_time_out_off() -> None:
    fake = lying()
    block = GeneralBlockTransfer(False, True, 3, 1, 0, b"x").encode()
    running = fake.initiator.start(single(Call(GET)), 0.0)
    for tenth in range(60):
        fake.initiator.receive(wrapper.build(SERVER, CLIENT, block), tenth / 10)
        fake.initiator.handle_timer(tenth / 10)
        fake.initiator.take()
    assert running.done
    assert isinstance(running.error, Timeout)


def test_a_storm_of_pushes_during_a_transfer_loses_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_room, "MAX_NOTIFICATIONS", 50)
    fake = lying()
    value = axdr.encode(axdr.octet_string(bytes(range(200))))
    pieces = [value[start : start + 10] for start in range(0, len(value), 10)]
    push = DataNotification(b"", FIVE).encode(1)

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        number = getattr(service, "block_number", 0) + 1
        block = GetResponseWithDatablock(number == len(pieces), number, pieces[number - 1])
        return [push] * 100 + [block.encode(invoke or 0)] + [push] * 100

    fake.answering = answering
    assert fake.call(Call(GET)).data == value
    assert fake.initiator.scheduler.lost_notifications >= 200 * len(pieces) - 150
    assert fake.call(Listen(1.0)).data == FIVE


def test_unread_pushes_are_kept_up_to_their_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_room, "MAX_NOTIFICATION_OCTETS", 1000)
    fake = lying()
    fake.say(*[DataNotification(b"", HUNDRED).encode(number) for number in range(20)])
    fake.call(Listen(1.0))
    scheduler = fake.initiator.scheduler
    assert scheduler.lost_notifications == 20 - 1 - len(scheduler._notifications) > 5
    while fake.call(Listen(0.1)) is not None:
        pass
    assert scheduler._notification_octets == 0


def test_a_meter_that_answers_octet_by_octet_and_stops_costs_one_time_out() -> None:
    fake = lying()
    running = fake.initiator.start(single(Call(GET)), 0.0)
    answer = wrapper.build(SERVER, CLIENT, GetResponseNormal(axdr.encode(axdr.octet_string(bytes(90)))).encode(0xC2))
    for index in range(60):
        fake.initiator.receive(answer[index : index + 1], index / 10)
        fake.initiator.handle_timer(index / 10)
    assert isinstance(running.error, Timeout)


def test_answers_to_nothing_are_noted_up_to_a_number() -> None:
    fake = lying()
    fake.say(*[GetResponseNormal(FIVE).encode(number & 15) for number in range(500)])
    assert asked_again(fake) == FIVE
    assert len(fake.initiator.problems) == 20


def test_hdlc_segments_without_an_end_cost_the_connection_only() -> None:
    from cosem.link.hdlc.frame import CONTROL, build
    from cosem.link.hdlc.station import MAX_APDU

    both = world(hdlc=True)
    both.associate()
    link = both.responder.link
    connection = link._connections[both.address]  # type: ignore[attr-defined]
    ns, sent, answer = connection.station.receive_state, 0, b""
    while sent <= MAX_APDU + 128:
        frame = build(
            connection.own, connection.peer, ns << 1 | 0x10 | connection.station.send_state << 5, bytes(128), True
        )
        both.responder.receive(frame, 0.0)
        answer = both.responder.take()
        ns, sent = (ns + 1) & 7, sent + 128
        if not both.responder.sessions:
            break
    assert answer[5] & 0xEF == CONTROL["FRMR"]
    assert MAX_APDU - 128 <= sent <= MAX_APDU + 256
    both.driver.cut()
    both.driver.connected = True
    both.associate()
    assert both.call(Call(GET)).data == FIVE


def test_connections_of_many_clients_on_one_hdlc_line_are_limited() -> None:
    from cosem.link.hdlc.frame import CONTROL, HdlcAddress, build
    from cosem.link.hdlc.link import MAX_CONNECTIONS

    both = world(hdlc=True)
    both.associate()
    responder = both.responder
    server = HdlcAddress.of(1).octets
    for client in range(2, 127):
        responder.receive(build(server, HdlcAddress.of(client).octets, CONTROL["SNRM"] | 0x10), 0.0)
        responder.take()
    assert len(responder.link._connections) <= MAX_CONNECTIONS  # type: ignore[attr-defined]
    assert both.call(Call(GET)).data == FIVE
    # Once they have been silent long enough there is room again.
    due = responder.next_timer()
    assert due is not None
    responder.handle_timer(due + 1000)
    assert len(responder.link._connections) <= 1  # type: ignore[attr-defined]


def test_a_hundred_calls_at_once_share_the_sixteen_numbers() -> None:
    both = world()
    both.associate()
    answers = both.call(Calls([GetRequestNormal(UNKNOWN if index % 3 else ENERGY, None) for index in range(300)], 63))
    assert [answer.data for answer in answers] == [None if index % 3 else FIVE for index in range(300)]


# --- what is said in blocks but is no request ------------------------------------------------------------------------


def test_blocks_that_ask_for_no_answer_are_acknowledged() -> None:
    client = client_of()
    posted = SetRequestNormal(POWER, None, FIVE).encode(0x81)
    thanks = client.one(GeneralBlockTransfer(True, False, 3, 1, 0, posted).encode())
    assert (thanks.block_number_ack, thanks.block_data) == (1, b"")
    assert client.objects.values[POWER] == FIVE


def test_blocks_that_cannot_be_answered_are_not_taken() -> None:
    both = world(hdlc=True, conformance=LN_ALL)
    both.initiator.settings.conformance = LN_ALL
    both.associate()
    block = GeneralBlockTransfer(True, False, 3, 1, 0, SetRequestNormal(POWER, None, FIVE).encode(CONFIRMED)).encode()
    both.initiator.link.send(both.address, block, 0.0, confirmed=False)
    assert both.call(Call(GET)).data == FIVE
    assert POWER not in both.objects.values


def test_a_block_of_the_answer_that_comes_again_is_passed_over() -> None:
    fake = lying()
    answer = b""

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        nonlocal answer
        answer = GeneralBlockTransfer(True, False, 3, 1, 0, GetResponseNormal(FIVE).encode(invoke or 0)).encode()
        return [answer, answer, answer]

    fake.answering = answering
    assert fake.call(Call(GET)).data == FIVE
    fake.say(answer)
    fake.call(Listen(0.5))
    assert list(fake.initiator.problems) == []
    assert asked_again(fake) == FIVE


def test_requests_in_line_are_sent_one_after_the_other_and_each_has_its_own_end() -> None:
    both = world(conformance=LN_ALL, server_pdu=12)
    both.initiator.settings.conformance = LN_ALL
    both.associate()
    # One octet of data in a block: more of them than there are numbers.
    endless_value = axdr.encode(axdr.octet_string(bytes(400_000)))
    running = [
        both.initiator.start(single(step), both.driver.now)
        for step in (Call(GET), Call(SetRequestNormal(POWER, None, endless_value)), Call(GET), Call(GET))
    ]
    both.driver.run(single(Listen(1.0)))
    assert [item.done for item in running] == [True] * 4
    assert isinstance(running[1].error, RemoteProtocolError)
    assert [item.outcome().data for item in (running[0], running[2], running[3])] == [FIVE] * 3


def test_a_meter_that_takes_all_the_blocks_there_are_and_stays_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    from cosem.association import blocks as blocks_room

    fake = lying()
    value = axdr.encode(axdr.octet_string(bytes(3000)))
    monkeypatch.setattr(blocks_room, "MAX_BLOCKS", 3)
    acknowledged = 0

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        nonlocal acknowledged
        if service.streaming:
            return []
        acknowledged += 1
        return [GeneralBlockTransfer(False, False, 3, acknowledged, service.block_number, b"").encode()]

    fake.answering = answering
    with pytest.raises(RemoteProtocolError, match="more than 3 blocks"):
        fake.call(Call(SetRequestNormal(POWER, None, value)))
    assert asked_again(fake) == FIVE


def test_only_a_proof_is_heard_while_it_is_awaited() -> None:
    client = RawClient(6, conformance=LN_ALL)
    client.associate(auth=bytes(16), initiate=initiate())
    asked = AccessRequest((AccessSpecification(1, ENERGY),), (b"\x00",)).encode(0xC0000001)
    assert client.one(asked).service == "exception-response"
    assert client.objects.protections == []


def test_an_event_is_told_in_blocks_of_the_size_that_is_asked_for() -> None:
    from cosem.apdu.notify import EventNotification

    both = world()
    both.associate()
    both.responder.notify(both.address, EventNotification(None, ENERGY, HUNDRED), max_pdu_size=40)
    both.responder.notify(both.address, EventNotification(None, ENERGY, FIVE), max_pdu_size=0)
    assert both.call(Listen(1.0)).data == HUNDRED
    assert both.call(Listen(1.0)).data == FIVE


def test_short_names_are_cut_by_general_blocks_where_they_have_none_of_their_own() -> None:
    from association.test_association_services import short_names

    conformance = Conformance.READ | Conformance.WRITE | Conformance.GENERAL_BLOCK_TRANSFER
    both = short_names(conformance=conformance, max_pdu_size=40)
    both.names.names[0x2808] = HUNDRED  # type: ignore[attr-defined]
    assert both.call(Call(ReadRequest((VariableName(0x2808),)))).results == (HUNDRED,)


@pytest.mark.parametrize("values", ["00", "020901610901", "0109ff", "01ee", "0111aa"])
def test_blocks_of_a_write_that_are_no_octets(values: str) -> None:
    from association.test_association_services import raw_short_names

    client = raw_short_names()
    answers = client.ask(bytes.fromhex("060107010001" + values))
    assert len(answers) == 1
    assert client.names.asked == []  # type: ignore[attr-defined]
    assert client.one(ReadRequest((VariableName(0x2808),)).encode()).results == (FIVE,)


def test_an_error_in_plain_instead_of_a_protected_initiate_response_is_told() -> None:
    from cosem.apdu.acse import LN_CIPHERED, Aare
    from cosem.apdu.errors import ConfirmedServiceError
    from cosem.errors import ServiceErrorReceived

    fake = FakeMeter(0, 0x30)
    refusal = Aare(LN_CIPHERED, 0, "user", 0, ConfirmedServiceError(1, 6, 1).encode()).encode()
    with pytest.raises(ServiceErrorReceived):
        fake.associate(refusal)

"""General block transfer as data: two ends, windows of any size, blocks that get lost, come twice or out of turn."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.apdu import GeneralBlockTransfer, parse
from cosem.association.blocks import MAX_BLOCKS, MAX_IDLE_TURNS, MAX_WINDOW, BlockTransfer, block_size
from cosem.errors import RemoteProtocolError

windows = st.integers(1, MAX_WINDOW)


def talk(
    client: BlockTransfer, server: BlockTransfer, request: bytes, response: bytes, fate: list[str], patience: int = 400
) -> tuple[bytes | None, bytes | None, int]:
    """Carry blocks to and fro, each as `fate` says in turn; the client repeats where all is silent."""
    fates = deque(fate)
    client.send(request)
    line: deque[tuple[str, GeneralBlockTransfer]] = deque()
    asked: bytes | None = None
    answered: bytes | None = None
    sent = 0

    def put(where: str, blocks: list[GeneralBlockTransfer]) -> None:
        nonlocal sent
        for block in blocks:
            sent += 1
            assert parse(block.encode()).service == block
            what = fates.popleft() if fates else "through"
            if what != "lost":
                line.append((where, block))
            if what == "twice":
                line.append((where, block))
            if what == "late" and len(line) > 1:
                line[-1], line[-2] = line[-2], line[-1]

    put("server", client.turn())
    for _ in range(patience):
        if not line:
            put("server", client.repeat())
            continue
        where, block = line.popleft()
        if where == "server":
            whole = server.take(block)
            if whole is not None:
                assert asked is None, "carried out twice"
                asked = whole
                server.send(response)
            put("client", server.turn() if not block.streaming else [])
        else:
            whole = client.take(block)
            if whole is not None:
                answered = whole
                break
            put("server", client.turn() if not block.streaming else [])
    return asked, answered, sent


@settings(max_examples=200, deadline=None)
@given(
    st.binary(min_size=1, max_size=300),
    st.binary(min_size=1, max_size=300),
    st.integers(1, 40),
    windows,
    windows,
    st.lists(st.sampled_from(["through", "through", "lost", "twice", "late"]), max_size=60),
)
def test_both_messages_arrive_whole_whatever_gets_lost(
    request: bytes, response: bytes, size: int, mine: int, theirs: int, fate: list[str]
) -> None:
    client, server = BlockTransfer(size, mine), BlockTransfer(size, theirs, answering=True)
    asked, answered, _ = talk(client, server, request, response, fate, patience=4000)
    assert (asked, answered) == (request, response)


def test_a_window_is_sent_in_a_row_and_the_last_of_it_hands_over() -> None:
    client, server = BlockTransfer(2, 5), BlockTransfer(2, 3, answering=True)
    client.send(b"abcdefghijklm")
    (first,) = client.turn()
    assert first == GeneralBlockTransfer(False, False, 5, 1, 0, b"ab")
    assert server.take(first) is None
    (go_on,) = server.turn()
    assert go_on == GeneralBlockTransfer(False, False, 3, 1, 1, b"")
    assert client.take(go_on) is None
    row = client.turn()
    assert [(block.block_number, block.streaming, block.last) for block in row] == [
        (2, True, False),
        (3, True, False),
        (4, False, False),
    ]
    assert all(block.block_number_ack == 1 for block in row)
    for block in row:
        assert server.take(block) is None
    client.take(server.turn()[0])
    last = client.turn()
    assert [(block.block_number, block.streaming, block.last) for block in last] == [
        (5, True, False),
        (6, True, False),
        (7, False, True),
    ]
    assert [server.take(block) for block in last] == [None, None, b"abcdefghijklm"]


def test_a_gap_is_named_with_its_length_and_only_it_is_sent_again() -> None:
    client, server = BlockTransfer(1, 5), BlockTransfer(1, 8, answering=True)
    client.send(b"0123456789")
    server.take(client.turn()[0])
    client.take(server.turn()[0])
    row = client.turn()
    assert len(row) == 8
    for block in row:
        if block.block_number not in (4, 5):
            server.take(block)
    (gap,) = server.turn()
    assert (gap.block_number_ack, gap.window) == (3, 2)
    client.take(gap)
    again = client.turn()
    assert [block.block_number for block in again] == [4, 5]
    for block in again:
        server.take(block)
    (go_on,) = server.turn()
    assert (go_on.block_number_ack, go_on.window) == (9, 8)
    client.take(go_on)
    (last,) = client.turn()
    assert server.take(last) == b"0123456789"


def test_nothing_is_answered_where_all_is_said() -> None:
    client, server = BlockTransfer(10, 5), BlockTransfer(10, 5, answering=True)
    client.send(b"short")
    assert server.take(client.turn()[0]) == b"short"
    assert server.turn() == []
    server.send(b"answer")
    assert client.take(server.turn()[0]) == b"answer"
    assert client.turn() == []
    assert client.outstanding == 0


def test_an_unconfirmed_transfer_streams_to_its_end_without_a_word_from_the_peer() -> None:
    sender, receiver = BlockTransfer(2, 0), BlockTransfer(2, 0, answering=True)
    sender.send(b"abcde")
    row = sender.turn()
    assert [(block.streaming, block.last, block.window) for block in row] == [
        (True, False, 0),
        (True, False, 0),
        (False, True, 0),
    ]
    assert [receiver.take(block) for block in row] == [None, None, b"abcde"]


def test_the_receiver_may_acknowledge_what_has_no_answer() -> None:
    client, server = BlockTransfer(10, 5), BlockTransfer(10, 5, answering=True)
    client.send(b"post")
    server.take(client.turn()[0])
    server.confirm()
    (thanks,) = server.turn()
    assert client.take(thanks) is None
    assert client.outstanding == 0
    assert client.turn() == []


def test_the_first_block_of_another_transfer_is_told_from_a_repeat() -> None:
    server = BlockTransfer(10, 5, answering=True)
    first = GeneralBlockTransfer(False, False, 5, 1, 0, b"one")
    assert not server.begins_anew(first)
    server.take(first)
    assert not server.begins_anew(first)
    assert server.begins_anew(first._replace(block_data=b"two"))
    assert not server.begins_anew(first._replace(block_data=b"two", block_number_ack=1))


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (GeneralBlockTransfer(False, False, 1, 1, 1, b""), "block 1 is acknowledged, 0 were sent"),
        (GeneralBlockTransfer(False, False, 1, 0, 0, b"x"), "block 0"),
        (GeneralBlockTransfer(False, False, 1, 1, 0, bytes(101)), "more than 100 octets"),
    ],
)
def test_what_cannot_be_is_refused(block: GeneralBlockTransfer, why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        BlockTransfer(10, 5, limit=100).take(block)


def test_the_numbers_do_not_start_over() -> None:
    with pytest.raises(RemoteProtocolError, match="too long"):
        BlockTransfer(1, 5).send(bytes(MAX_BLOCKS + 1))


def test_a_peer_that_hands_over_without_end_and_without_anything_new_is_stopped() -> None:
    transfer = BlockTransfer(1, 5, answering=True)
    transfer.take(GeneralBlockTransfer(False, False, 1, 1, 0, b"x"))
    for number in range(2, MAX_IDLE_TURNS + 2):
        said = transfer.turn()[-1].block_number
        transfer.take(GeneralBlockTransfer(False, False, 1, number, said, b""))
    with pytest.raises(RemoteProtocolError, match="nothing new"):
        transfer.take(GeneralBlockTransfer(False, False, 1, 99, 0, b""))


def test_what_is_said_again_in_a_row_is_no_news_and_costs_no_answer() -> None:
    transfer = BlockTransfer(1, 5, answering=True)
    block = GeneralBlockTransfer(False, True, 1, 1, 0, b"x")
    for _ in range(1000):
        transfer.take(block)
        assert transfer.turn() == []
    assert transfer.news == 1


def test_a_transfer_of_all_the_numbers_there_are_goes_through_and_ends() -> None:
    client, server = BlockTransfer(1, 63), BlockTransfer(1, 63, answering=True)
    client.send(bytes(MAX_BLOCKS))
    whole = None
    while whole is None:
        for block in client.turn():
            whole = server.take(block)
        server.confirm()
        client.take(server.turn()[0])
    assert whole == bytes(MAX_BLOCKS)
    assert client.outstanding == 0
    with pytest.raises(RemoteProtocolError, match=f"more than {MAX_BLOCKS} blocks"):
        client.repeat()


def test_another_transfer_may_begin_with_the_same_octets() -> None:
    client, server = BlockTransfer(4, 5), BlockTransfer(4, 5, answering=True)
    client.send(b"sameone")
    first = client.turn()[0]
    server.take(first)
    client.take(server.turn()[0])
    assert not server.begins_anew(first)
    assert server.take(client.turn()[0]) == b"sameone"
    server.send(b"answer")
    assert not server.begins_anew(first)
    assert len(server.turn()) == 2
    assert server.begins_anew(first)


def test_blocks_far_ahead_are_not_kept() -> None:
    transfer = BlockTransfer(1, 5, answering=True)
    for number in range(2, 5000):
        transfer.take(GeneralBlockTransfer(False, True, 1, number, 0, b"x"))
    assert len(transfer._ahead) <= MAX_WINDOW


@given(st.integers(8, 65_535))
def test_a_block_fills_the_pdu_and_no_more(max_pdu_size: int) -> None:
    size = block_size(max_pdu_size)
    block = GeneralBlockTransfer(False, False, 1, 1, 0, bytes(size))
    assert len(block.encode()) <= max_pdu_size
    assert len(block._replace(block_data=bytes(size + 2)).encode()) > max_pdu_size

"""The slave of a wired bus: selection, frame count and repetition, long answers, orders, speeds with their fallback."""

from __future__ import annotations

import pytest

from cosem.link.mbus_frame import LongFrame, ShortFrame, build, parse_at
from cosem.mbus.addresses import SecondaryAddress
from cosem.mbus.secondary import SecondaryStation
from support.mbus_meters import Counter, meter, station

E5 = b"\xe5"


def ud2(slave: SecondaryStation, fcb: int, address: int = 5) -> bytes:
    return slave.hear(ShortFrame(0x7B if fcb else 0x5B, address), 0.0)


def nke(slave: SecondaryStation, address: int = 5) -> bytes:
    return slave.hear(ShortFrame(0x40, address), 0.0)


def send(
    slave: SecondaryStation, ci: int, data: bytes = b"", *, address: int = 5, control: int = 0x53, now: float = 0.0
) -> bytes:
    return slave.hear(LongFrame(control, address, ci, data, len(data) + 3), now)


def select(slave: SecondaryStation, mask: str) -> bytes:
    return send(slave, 0x52, SecondaryAddress.parse(mask).selection(), address=253)


def application(slave: SecondaryStation) -> Counter:
    assert isinstance(slave.application, Counter)
    return slave.application


def volume(answer: bytes) -> int:
    return int.from_bytes(parse_at(answer)[0].data[14:18], "little")


def test_the_same_count_gives_the_same_answer_and_the_other_one_a_new_one() -> None:
    slave = station(primary=5)
    assert nke(slave) == E5
    first = ud2(slave, 1)
    assert volume(first) == 1
    assert ud2(slave, 1) == first
    assert volume(ud2(slave, 0)) == 2
    assert volume(ud2(slave, 1)) == 3
    assert nke(slave) == E5
    assert volume(ud2(slave, 1)) == 4
    assert [request.access_number for request in application(slave).requests] == [1, 2, 3, 4]
    # Without a valid count there is no repetition.
    assert volume(slave.hear(ShortFrame(0x4B, 5), 0.0)) == 5
    assert volume(slave.hear(ShortFrame(0x4B, 5), 0.0)) == 6


def test_a_long_answer_goes_on_with_the_other_count_and_begins_anew_after_a_reset() -> None:
    slave = station(primary=5, parts=3)
    parts = [ud2(slave, index & 1) for index in (1, 2, 2, 3)]
    assert parts[1] == parts[2]
    ends = [parse_at(part)[0].data[-1] for part in (parts[0], parts[1], parts[3])]
    assert ends[:2] == [0x1F, 0x1F]
    assert len({volume(part) for part in parts}) == 1
    assert volume(ud2(slave, 0)) == 2
    nke(slave)
    assert volume(ud2(slave, 1)) == 3


def test_who_answers_where() -> None:
    slave = station(primary=5)
    assert nke(slave, 5) == nke(slave, 254) == E5
    assert nke(slave, 4) == nke(slave, 251) == nke(slave, 253) == nke(slave, 255) == b""
    assert ud2(slave, 1, 254)[5] == 5
    assert ud2(slave, 1, 255) == b""


@pytest.mark.parametrize("mask", ["FFFFFFFF", "12FF5678", "12345678-KAM-*-04", "12345678/0001FFFF"])
def test_selected_until_another_is_meant_or_deselected(mask: str) -> None:
    slave = station(meter(fabrication="00012399"), primary=5)
    assert ud2(slave, 1, 253) == b""
    assert select(slave, mask) == E5
    assert volume(ud2(slave, 1, 253)) == 1
    assert select(slave, "99FFFFFF") == b""
    assert ud2(slave, 0, 253) == b""
    assert select(slave, mask) == E5
    assert nke(slave, 253) == E5
    assert nke(slave, 253) == b""
    assert select(slave, mask) == E5
    slave.restart()
    assert ud2(slave, 1, 253) == b""


def test_the_selected_one_has_a_count_of_its_own_that_selecting_resets() -> None:
    slave = station(primary=5)
    assert volume(ud2(slave, 1)) == 1
    select(slave, "12345678")
    assert volume(ud2(slave, 1, 253)) == 2
    select(slave, "12345678")
    assert volume(ud2(slave, 1, 253)) == 3
    assert volume(ud2(slave, 1)) == 1


def test_most_significant_octet_first() -> None:
    slave = station(meter(fabrication="00012399"), primary=5)
    assert send(slave, 0x56, bytes.fromhex("12345678 2c2d 01 04"), address=253) == E5
    assert send(slave, 0x56, bytes.fromhex("12345678 2c2d 01 04 0c78 00012399"), address=253) == E5
    assert send(slave, 0x56, bytes.fromhex("12345678 2d2c 01 04"), address=253) == b""


def test_what_is_sent_twice_is_acknowledged_twice_and_taken_once() -> None:
    slave = station(primary=5)
    assert send(slave, 0x51, b"\x01", control=0x73) == send(slave, 0x51, b"\x01", control=0x73) == E5
    assert application(slave).accepted == [(0x51, b"\x01")]
    # Other data with the same bit are no repetition: many masters never turn it.
    assert send(slave, 0x51, b"\x02", control=0x73) == E5
    assert send(slave, 0x51, b"\x02", control=0x53) == E5
    assert application(slave).accepted == [(0x51, b"\x01"), (0x51, b"\x02"), (0x51, b"\x02")]
    assert send(slave, 0x51, b"\x03", address=255) == b""
    assert application(slave).accepted[-1] == (0x51, b"\x03")


def test_what_is_not_served_is_said_in_the_next_answer() -> None:
    slave = station(primary=5)
    application(slave).serves = False
    assert send(slave, 0xA0) == E5
    assert ud2(slave, 1) == build(0x08, 5, 0x70, b"\x01")
    assert volume(ud2(slave, 0)) == 1


def test_another_question_with_the_same_count_is_no_repetition() -> None:
    slave = station(primary=5)
    assert volume(ud2(slave, 1)) == 1
    assert slave.hear(ShortFrame(0x7A, 5), 0.0) == E5
    assert volume(ud2(slave, 1)) == 2


def test_alarms_and_application_reset() -> None:
    slave = station(primary=5)
    assert slave.hear(ShortFrame(0x7A, 5), 0.0) == E5
    application(slave).alarms = [(0x71, b"\x04")]
    assert slave.hear(ShortFrame(0x5A, 5), 0.0) == build(0x08, 5, 0x71, b"\x04")
    assert send(slave, 0x50, b"\x20") == E5
    ud2(slave, 1)
    assert application(slave).requests[-1].subcode == 0x20
    assert send(slave, 0x50) == E5
    ud2(slave, 1)
    assert application(slave).requests[-1].subcode == 0


def test_another_address() -> None:
    slave = station(primary=5)
    assert send(slave, 0x51, bytes.fromhex("017a09")) == E5
    assert (nke(slave, 5), nke(slave, 9)) == (b"", E5)
    assert send(slave, 0x51, bytes.fromhex("017afd"), address=9) == E5
    assert slave.primary == 9


def test_another_speed_is_kept_once_it_was_understood_and_given_up_otherwise() -> None:
    slave = station(primary=5, fallback=100.0)
    assert send(slave, 0xBD, now=0.0) == E5
    assert slave.baud == 9600
    slave.settle(99.0)
    assert slave.baud == 9600
    slave.settle(100.0)
    assert slave.baud == 2400
    send(slave, 0xBD, now=200.0)
    slave.hear(ShortFrame(0x40, 5), 250.0)
    slave.settle(10_000.0)
    assert slave.baud == 9600
    # A speed it does not have is not acknowledged.
    assert send(slave, 0xBF) == b""
    # Two orders on trial: it goes back to what was proven.
    send(slave, 0xB8, now=0.0)
    slave.hear(ShortFrame(0x40, 5), 1.0)
    assert slave.baud == 300


def test_a_line_of_its_own_answers_after_its_reaction() -> None:
    slave = station(primary=5, reaction=0.05)
    slave.receive(bytes.fromhex("ffff1040054516")[:5], 1.0)
    slave.receive(bytes.fromhex("ffff1040054516")[5:], 1.1)
    assert slave.take() == b""
    due = slave.next_timer()
    assert due == pytest.approx(1.15)
    slave.handle_timer(due)
    assert slave.take() == E5
    assert slave.next_timer() is None

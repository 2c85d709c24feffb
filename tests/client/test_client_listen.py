"""Pushes: over the wrapper and HDLC, plain and protected; replays, unknown senders and broken octets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.apdu.ciphered import Ciphered, GeneralDed, GeneralGlo
from cosem.apdu.general import GeneralBlockTransfer
from cosem.apdu.notify import DataNotification
from cosem.client import DeviceKeys, Listener, Senders
from cosem.client import listen as listen_room
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.errors import InvocationCounterError
from cosem.link.base import Address
from cosem.link.hdlc.frame import build as hdlc_frame
from cosem.link.hdlc.link import HdlcLink
from cosem.link.mbus_frame import MbusLink
from cosem.link.wrapper import WrapperLink
from cosem.security.gcm import protect
from cosem.security.keys import Keys
from cosem.times import CosemDateTime

KEY, AUTH, BROADCAST = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))
TITLE, OTHER = b"CSM\x00\x00\x00\x00\x01", b"CSM\x00\x00\x00\x00\x02"
MOMENT = CosemDateTime.parse("2026-11-01T12:00:00+01:00")
ENERGY = bytes.fromhex("0100010800ff")
BODY = axdr.structure(
    axdr.octet_string(ENERGY),
    axdr.double_long_unsigned(123456),
    axdr.structure(axdr.integer(-1), axdr.enum(30)),
    axdr.octet_string(bytes.fromhex("0000600100ff")),
    axdr.octet_string(b"10000001"),
)
PLAIN = DataNotification(MOMENT.to_octets(), axdr.encode(BODY)).encode(0x40000001)
PUSHER = Address(1, 102)


def _general(
    counter: int,
    *,
    control: int = 0x30,
    title: bytes = TITLE,
    key: bytes = KEY,
    auth: bytes | None = AUTH,
    plain: bytes = PLAIN,
) -> bytes:
    return GeneralGlo(title, protect(key, auth, title, counter, control, plain)).encode()


def _keys(title: bytes | None = TITLE, *, verify: bool = True, auth: bytes | None = AUTH) -> DeviceKeys:
    return DeviceKeys("meter", Keys(KEY, auth, BROADCAST), system_title=title, verify=verify)


def _listener(*devices: DeviceKeys) -> Listener:
    return Listener(WrapperLink(), Senders(devices))


def _framed(*apdus: bytes) -> bytes:
    link = WrapperLink(server=True)
    for apdu in apdus:
        link.send(PUSHER, apdu, 0.0)
    return link.take()


def test_a_plain_push_is_read_and_its_values_are_named() -> None:
    (push,) = _listener().receive(_framed(PLAIN), 0.0)
    assert push.problem is None
    assert (push.system_title, push.verified) == (None, None)
    assert push.value == BODY
    assert push.service.date_time == MOMENT.to_octets()
    assert [str(reading) for reading in push.readings] == [
        "1-0:1.8.0.255 = 12345.6 Wh",
        "0-0:96.1.0.255 = 10000001",
    ]
    assert (push.address.client, push.address.server) == (1, 102)


def test_pushes_over_hdlc_come_without_a_connection() -> None:
    meter = HdlcLink(server=True)
    listener = Listener(HdlcLink(), Senders([_keys()]))
    meter.send(PUSHER, PLAIN, 0.0, confirmed=False)
    meter.send(PUSHER, _general(5), 0.0, confirmed=False)
    octets = meter.take()
    assert octets[:1] == b"\x7e"
    pushes = [push for index in range(len(octets)) for push in listener.receive(octets[index : index + 1], 0.0)]
    assert [push.value for push in pushes] == [BODY, BODY]
    assert [push.verified for push in pushes] == [None, True]


def test_several_pushes_in_one_read_and_one_in_many() -> None:
    octets = _framed(PLAIN, _general(1), PLAIN)
    assert len(_listener(_keys()).receive(octets, 0.0)) == 3
    listener = _listener(_keys())
    assert sum(len(listener.receive(octets[index : index + 1], 0.0)) for index in range(len(octets))) == 3


@pytest.mark.parametrize(("control", "verified"), [(0x30, True), (0x10, True), (0x20, None), (0x00, None)])
def test_protected_pushes_are_opened_with_the_senders_keys(control: int, verified: bool | None) -> None:
    (push,) = _listener(_keys()).receive(_framed(_general(7, control=control)), 0.0)
    assert (push.problem, push.verified, push.value) == (None, verified, BODY)
    assert (push.system_title, push.invocation_counter) == (TITLE, 7)
    assert push.plain == PLAIN


def test_a_broadcast_is_opened_with_the_broadcast_key() -> None:
    (push,) = _listener(_keys()).receive(_framed(_general(7, control=0x70, key=BROADCAST)), 0.0)
    assert push.verified is True
    (push,) = _listener(_keys()).receive(_framed(_general(7, control=0x70)), 0.0)
    assert (push.verified, push.value) == (False, None)


def test_a_repeat_is_refused_and_changes_nothing() -> None:
    listener = _listener(_keys())
    assert [push.verified for push in listener.receive(_framed(_general(7), _general(8)), 0.0)] == [True, True]
    for counter in (8, 7, 0):
        (push,) = listener.receive(_framed(_general(counter)), 0.0)
        assert push.verified is False
        assert push.problem is not None
        assert "a repeat" in push.problem
        assert push.value is None
    (push,) = listener.receive(_framed(_general(9)), 0.0)
    assert push.verified is True


def test_counters_are_shared_by_the_connections_of_a_listener_and_kept_by_title() -> None:
    senders = Senders([_keys(None)])
    first, second = Listener(WrapperLink(), senders), Listener(WrapperLink(), senders)
    assert first.receive(_framed(_general(7)), 0.0)[0].verified is True
    assert second.receive(_framed(_general(7)), 0.0)[0].verified is False
    assert second.receive(_framed(_general(7, title=OTHER)), 0.0)[0].verified is True


@pytest.mark.parametrize("title", [TITLE, None])
def test_a_customer_port_has_keys_and_counters_of_its_own(title: bytes | None) -> None:
    customer = DeviceKeys("customer", Keys(bytes(range(48, 64)), AUTH), system_title=title)
    listener = _listener(_keys(title), customer)
    octets = _framed(_general(9), _general(1, key=bytes(range(48, 64))), _general(10))
    assert [push.verified for push in listener.receive(octets, 0.0)] == [True, True, True]
    again = listener.receive(octets, 0.0)
    assert [(push.verified, "a repeat" in str(push.problem)) for push in again[::2]] == [(False, True)] * 2
    assert (again[1].verified, again[1].value) == (False, None)


def test_a_push_that_was_laid_down_by_a_companion_profile_has_names() -> None:
    def push(*values: Data) -> list[str]:
        apdu = DataNotification(MOMENT.to_octets(), axdr.encode(axdr.structure(*values))).encode(0x40000001)
        (found,) = _listener().receive(_framed(apdu), 0.0)
        return [str(reading) for reading in found.readings]

    device, setup = axdr.octet_string(b"CSM10000001"), axdr.octet_string(bytes.fromhex("0004190900ff"))
    alarms = (axdr.double_long_unsigned(0), axdr.double_long_unsigned(3))
    assert push(device, setup, *alarms) == [
        "0-0:42.0.0.255 = CSM10000001",
        "0-0:97.98.20.255 = 0",
        "0-0:97.98.21.255 = 3",
    ]
    # Something else was chosen to be sent: no value is given the name of another, nor that of the setup.
    assert push(device, setup, axdr.double_long_unsigned(3), axdr.octet_string(b"x")) == []
    assert push(device, setup, axdr.double_long_unsigned(3)) == []


def test_a_forgery_moves_no_counter() -> None:
    listener = _listener(_keys())
    wrong_key = _general(0xFFFFFFF0, key=bytes(16))
    unprotected = _general(0xFFFFFFF1, control=0x00)
    garbage = _general(0xFFFFFFF2, control=0x20, plain=b"\xff\xff")
    bad_tag = bytearray(_general(0xFFFFFFF3))
    bad_tag[-1] ^= 1
    for forged in (wrong_key, unprotected, garbage, bytes(bad_tag)):
        (push,) = listener.receive(_framed(forged), 0.0)
        assert push.verified is not True
    assert listener.receive(_framed(_general(1)), 0.0)[0].verified is True


def test_forged_titles_push_no_counter_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen_room, "MAX_SENDERS", 2)
    listener = _listener(_keys(None))
    listener.receive(_framed(_general(7)), 0.0)
    for number in range(10):
        title = b"XXX" + number.to_bytes(5, "big")
        listener.receive(_framed(_general(1, title=title, key=bytes(16))), 0.0)
    assert listener.receive(_framed(_general(7)), 0.0)[0].verified is False
    # Those that proved themselves are kept up to the limit, the oldest goes.
    for title in (OTHER, b"CSM\x00\x00\x00\x00\x03"):
        assert listener.receive(_framed(_general(1, title=title)), 0.0)[0].verified is True
    assert listener.receive(_framed(_general(1, title=OTHER)), 0.0)[0].verified is False


def test_an_unknown_sender_and_missing_keys_are_told() -> None:
    (push,) = _listener().receive(_framed(_general(1)), 0.0)
    assert push.problem == "no key is known for 43534d0000000001"
    assert push.verified is None
    (push,) = _listener(_keys(OTHER)).receive(_framed(_general(1)), 0.0)
    assert push.problem == "no key is known for 43534d0000000001"
    (push,) = _listener(DeviceKeys("m", Keys(authentication_key=AUTH))).receive(_framed(_general(1)), 0.0)
    assert push.problem == "no key is known for 43534d0000000001"
    (push,) = _listener(_keys(auth=None)).receive(_framed(_general(1)), 0.0)
    assert push.problem == "an authentication key is needed, or verify = false in the key file"


def test_without_an_authentication_key_it_is_opened_only_where_the_key_file_says_so() -> None:
    (push,) = _listener(_keys(auth=None, verify=False)).receive(_framed(_general(1)), 0.0)
    assert (push.verified, push.value, push.problem) == (None, BODY, None)


def test_every_key_without_a_title_is_tried() -> None:
    wrong = DeviceKeys("wrong", Keys(bytes(16), bytes(16)))
    (push,) = _listener(wrong, _keys(None)).receive(_framed(_general(1)), 0.0)
    assert push.verified is True
    (push,) = _listener(wrong).receive(_framed(_general(1)), 0.0)
    assert push.verified is False


@pytest.mark.parametrize(
    ("apdu", "words"),
    [
        (GeneralGlo(b"short", protect(KEY, AUTH, TITLE, 1, 0x30, PLAIN)).encode(), "a system title of 5 octets"),
        (GeneralDed(TITLE, protect(bytes(16), AUTH, TITLE, 1, 0x30, PLAIN)).encode(), ""),
        (GeneralGlo(TITLE, protect(KEY, AUTH, TITLE, 1, 0x30, b"\x0f\x00")).encode(), ""),
        (b"\x0f\x40\x00\x00\x01", ""),
        (PLAIN[:-1], ""),
        (PLAIN + b"\x00", ""),
        (b"\xdd\x00", ""),
        (b"\xff", ""),
    ],
)
def test_what_cannot_be_read_is_a_push_with_a_problem(apdu: bytes, words: str) -> None:
    listener = _listener(_keys())
    (push,) = listener.receive(_framed(apdu), 0.0)
    assert push.problem is not None
    assert words in push.problem
    assert push.octets == apdu
    assert push.value is None
    assert push.readings == []
    assert listener.receive(_framed(PLAIN), 0.0)[0].value == BODY


def test_a_form_without_a_title_is_opened_where_only_one_meter_can_have_sent_it() -> None:
    apdu = Ciphered(0xCA, protect(KEY, AUTH, TITLE, 1, 0x30, PLAIN)).encode()
    (push,) = _listener(_keys()).receive(_framed(apdu), 0.0)
    assert (push.verified, push.system_title, push.value) == (True, TITLE, BODY)
    for devices in ((), (_keys(None),), (_keys(), _keys(OTHER)), (_keys(), _keys(None))):
        (push,) = _listener(*devices).receive(_framed(apdu), 0.0)
        assert push.value is None
        assert push.problem is not None
        assert "names no sender" in push.problem


def test_noise_before_a_push_is_kept_for_who_asks() -> None:
    listener = Listener(HdlcLink())
    meter = HdlcLink(server=True)
    meter.send(PUSHER, PLAIN, 0.0, confirmed=False)
    frame = meter.take()
    broken = bytearray(frame)
    broken[12] ^= 0xFF
    pushes = listener.receive(bytes(broken) + b"noise" + frame, 0.0)
    assert [push.value for push in pushes] == [BODY]
    assert listener.discarded


@given(st.lists(st.binary(max_size=80), max_size=6), st.booleans())
@settings(deadline=None)
def test_any_octets_are_pushes_or_nothing(chunks: list[bytes], hdlc: bool) -> None:
    listener = Listener(HdlcLink() if hdlc else WrapperLink(), Senders([_keys(), _keys(None)]))
    for chunk in chunks:
        for push in listener.receive(chunk, 0.0):
            assert isinstance(push.readings, list)


@given(st.binary(min_size=1, max_size=80), st.sampled_from([0x00, 0x10, 0x20, 0x30]), st.booleans())
@settings(deadline=None)
def test_any_apdu_plain_or_protected_is_a_push(octets: bytes, control: int, wrapped: bool) -> None:
    apdu = _general(3, control=control, plain=octets) if wrapped else octets
    push = _listener(_keys()).read(PUSHER, apdu)
    assert push.octets == apdu
    assert push.problem is None or push.value is None


def test_a_unit_that_nobody_knows_is_still_a_reading() -> None:
    body = axdr.structure(axdr.octet_string(ENERGY), axdr.unsigned(7), axdr.structure(axdr.integer(2), axdr.enum(200)))
    push = _listener().read(PUSHER, DataNotification(b"", axdr.encode(body)).encode(1))
    (reading,) = push.readings
    assert str(reading) == "1-0:1.8.0.255 = 700 (unit 200)"
    assert isinstance(push.value, Data)


def test_senders_check_before_they_commit() -> None:
    senders = Senders()
    senders.check(TITLE, 5)
    senders.commit(TITLE, 5)
    with pytest.raises(InvocationCounterError):
        senders.check(TITLE, 5)
    with pytest.raises(InvocationCounterError):
        senders.commit(TITLE, 4)


# --- pushes in blocks, in segments, in M-Bus frames ------------------------------------------------------------


def _blocks(apdu: bytes, size: int = 20, window: int = 0, ack: int = 0) -> list[bytes]:
    pieces = [apdu[start : start + size] for start in range(0, len(apdu), size)]
    return [
        GeneralBlockTransfer(number == len(pieces), number < len(pieces), window, number, ack, piece).encode()
        for number, piece in enumerate(pieces, 1)
    ]


@pytest.mark.parametrize(("window", "ack"), [(0, 0), (3, 0), (1, 4)])
@pytest.mark.parametrize("framing", ["wrapper", "hdlc", "mbus"])
def test_a_push_in_blocks_is_put_together(framing: str, window: int, ack: int) -> None:
    ends = {
        "wrapper": (WrapperLink(server=True), WrapperLink()),
        "hdlc": (HdlcLink(server=True), HdlcLink()),
        "mbus": (MbusLink(server=True), MbusLink()),
    }
    meter, link = ends[framing]
    listener = Listener(link, Senders([_keys()]))
    for counter in (5, 6):
        for block in _blocks(_general(counter), window=window, ack=ack):
            meter.send(PUSHER, block, 0.0, confirmed=False)
    pushes = listener.receive(meter.take(), 0.0)
    assert [(push.value, push.verified, push.invocation_counter) for push in pushes] == [
        (BODY, True, 5),
        (BODY, True, 6),
    ]


def test_blocks_that_come_doubled_or_in_disorder() -> None:
    first, *middle, last = _blocks(_general(5))
    listener = _listener(_keys())
    (push,) = listener.receive(_framed(first, first, *reversed(middle), *middle, last, first), 0.0)
    assert push.value == BODY
    # A block that never comes ends with the next push, and costs its own only.
    whole = _blocks(_general(6))
    (push,) = _listener(_keys()).receive(_framed(*_blocks(_general(5))[:-1], *whole), 0.0)
    assert push.invocation_counter == 6


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (GeneralBlockTransfer(True, False, 0, 0, 0, b"x").encode(), "block 0"),
        (GeneralBlockTransfer(True, False, 0, 1, 0, b"\xe0\x80").encode(), "blocks inside of blocks"),
        (GeneralBlockTransfer(True, False, 0, 1, 0, PLAIN).encode()[:-1], ""),
    ],
)
def test_blocks_that_cannot_be_cost_themselves(block: bytes, words: str) -> None:
    wrong, right = _listener().receive(_framed(block, PLAIN), 0.0)
    assert wrong.problem is not None
    assert words in wrong.problem
    assert right.value == BODY


def test_endless_blocks_and_many_streams_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen_room, "MAX_PUSH", 1000)
    monkeypatch.setattr(listen_room, "MAX_STREAMS", 2)
    listener = _listener()
    endless = [GeneralBlockTransfer(False, True, 0, number, 0, bytes(200)).encode() for number in range(1, 7)]
    problems = [push.problem for push in listener.receive(_framed(*endless), 0.0)]
    assert any(problem and "more than 1000 octets" in problem for problem in problems)
    meter = WrapperLink(server=True)
    for server in range(1, 6):
        meter.send(Address(1, server), endless[0], 0.0)
    listener.receive(meter.take(), 0.0)
    assert len(listener._streams) == 2
    assert listener.receive(_framed(PLAIN), 0.0)[0].value == BODY


@pytest.mark.parametrize("control", [0x13, 0x10])
def test_segments_of_frames_outside_of_a_connection_are_joined(control: int) -> None:
    """A push in UI frames, or in I frames to nobody in particular, cut into segments."""
    octets = b"\xe6\xe7\x00" + PLAIN
    cuts = [octets[start : start + 30] for start in range(0, len(octets), 30)]
    frames = [
        hdlc_frame(
            b"\x01" if control == 0x10 else b"\x03",
            b"\xcd",
            control if control == 0x13 else control | number << 1,
            info,
            info is not cuts[-1],
        )
        for number, info in enumerate(cuts)
    ]
    listener = Listener(HdlcLink())
    (push,) = listener.receive(b"".join(frames), 0.0)
    assert push.value == BODY
    # A segment that is lost costs its push.
    assert [item.value for item in listener.receive(b"".join(frames[:-1]), 1.0)] == []
    assert listener.receive(b"".join(frames), 100.0)[-1].value == BODY


def test_m_bus_pushes_through_noise_and_wrong_checksums() -> None:
    meter = MbusLink(server=True)
    for counter in range(1, 5):
        meter.send(PUSHER, _general(counter), 0.0)
    octets = meter.take()
    damaged = bytearray(octets)
    damaged[20] ^= 0x40
    listener = Listener(MbusLink(), Senders([_keys()]))
    pushes = listener.receive(b"\xe5\x10\x40" + bytes(damaged) + b"\x68\x68", 0.0)
    assert [(push.value, push.invocation_counter) for push in pushes] == [(BODY, 2), (BODY, 3), (BODY, 4)]
    assert any("checksum" in item.reason for item in listener.discarded)


def test_noise_is_kept_within_a_limit() -> None:
    listener = Listener(MbusLink())
    for _ in range(listen_room.MAX_DISCARDED + 10):
        listener.receive(b"noise", 0.0)
    assert len(listener.discarded) == listen_room.MAX_DISCARDED

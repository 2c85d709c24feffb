"""A receiver: fragments of several meters put together and opened, and everything refused counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError, InvocationCounterError, TagMismatch
from cosem.mbus.afl import AuthenticationLayer, message_control
from cosem.mbus.ci import HeaderKind
from cosem.mbus.ell import FIRST, SECOND, ExtendedLink, SessionNumber
from cosem.mbus.header import Configuration, Header
from cosem.mbus.keys import Reason
from cosem.mbus.receiver import TelegramReceiver
from cosem.mbus.telegram import State, Telegram, decode, encode, encode_fragments
from cosem.mbus.wireless import Format
from support.mbus_telegrams import KEY, METER, RECORDS, store

OTHER = METER._replace(identification=b"\x79\x56\x34\x12")
LONG = RECORDS * 20
HEADER = Header(HeaderKind.SHORT, None, 1, 0, Configuration.of(7))
CLEAR = Header(HeaderKind.SHORT, None, 1, 0, Configuration.of(0))


def _long(
    address=METER, counter: int = 5, ell: ExtendedLink | None = None, form: Format = Format.A, header: Header = HEADER
) -> Telegram:
    control = message_control(8) if header is HEADER else 0x20
    afl = AuthenticationLayer(control=control, counter=counter)
    return Telegram.on_air(0x44, address, 0x7A, LONG, header, afl=afl, ell=ell, form=form)


def _frames(telegram: Telegram, size: int = 180) -> list[bytes]:
    return encode_fragments(telegram, size, keys=store(METER, OTHER))


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize(
    "ell", [None, ExtendedLink(FIRST, 0x20, 254), ExtendedLink(SECOND, 0x20, 254, session=SessionNumber(1, 9, 14))]
)
def test_a_long_message_is_put_together_and_opened(form: Format, ell: ExtendedLink | None) -> None:
    receiver = TelegramReceiver(store())
    frames = _frames(_long(ell=ell, form=form))
    assert len(frames) == 4
    assert [receiver.receive(frame, 0) for frame in frames[:-1]] == [None, None, None]
    telegram = receiver.receive(frames[-1], 0)
    assert telegram is not None
    assert (telegram.application, telegram.state, telegram.verified) == (LONG, State.OPENED, True)
    assert telegram.address == METER
    assert receiver.received == 1
    assert not receiver.failures


def test_each_fragment_alone_is_given_back_as_it_came() -> None:
    for frame in _frames(_long()):
        telegram = decode(frame)
        assert telegram.state is State.FRAGMENT
        assert encode(telegram) == frame


def test_fragments_of_two_meters_cross() -> None:
    receiver = TelegramReceiver(store(METER, OTHER))
    crossed = [frame for pair in zip(_frames(_long()), _frames(_long(OTHER)), strict=True) for frame in pair]
    telegrams = [telegram for frame in crossed if (telegram := receiver.receive(frame, 0))]
    assert [telegram.address for telegram in telegrams] == [METER, OTHER]
    assert receiver.waiting == 0


def test_a_cut_message_is_refused_and_counted_and_the_next_goes_through() -> None:
    receiver = TelegramReceiver(store(), patience=30)
    frames = _frames(_long())
    receiver.receive(frames[0], 0)
    with pytest.raises(DecodeError):
        receiver.receive(frames[2], 1)
    receiver.receive(frames[0], 2)
    receiver.expire(40)
    assert receiver.waiting == 0
    assert receiver.failures == {"fragment refused": 1, "fragment late": 1}
    assert [receiver.try_receive(frame, 50) is not None for frame in frames] == [False, False, False, True]


def test_a_repeated_message_is_refused_and_counted() -> None:
    receiver = TelegramReceiver(store())
    for frame in _frames(_long()):
        receiver.receive(frame, 0)
    frames = _frames(_long(counter=4))
    for frame in frames[:-1]:
        receiver.receive(frame, 1)
    with pytest.raises(InvocationCounterError):
        receiver.receive(frames[-1], 1)
    assert receiver.failures == {Reason.REPLAY: 1}


@given(st.integers(0, 3), st.data())
def test_an_altered_fragment_never_becomes_a_message(which: int, data: st.DataObject) -> None:
    receiver = TelegramReceiver(store())
    frames = _frames(_long(form=Format.STRIPPED))
    altered = bytearray(frames[which])
    altered[data.draw(st.integers(10, len(altered) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    frames[which] = bytes(altered)
    assert not any(receiver.try_receive(frame, 0) for frame in frames)
    assert receiver.waiting or receiver.failures


def test_the_mac_of_a_message_is_checked_over_the_whole() -> None:
    receiver = TelegramReceiver(store())
    frames = _frames(_long(form=Format.STRIPPED))
    frames[1] = frames[1][:-1] + bytes((frames[1][-1] ^ 1,))
    for frame in frames[:-1]:
        receiver.receive(frame, 0)
    with pytest.raises(TagMismatch):
        receiver.receive(frames[-1], 0)
    assert receiver.failures == {Reason.WRONG_KEY: 1}


def test_a_receiver_without_keys_puts_clear_messages_together() -> None:
    receiver = TelegramReceiver()
    telegrams = [receiver.receive(frame, 0) for frame in encode_fragments(_long(header=CLEAR), 180)]
    assert telegrams[-1] is not None
    assert telegrams[-1].application == LONG


def test_fragments_need_a_layer_that_says_what_the_message_has() -> None:
    with pytest.raises(EncodeError, match="authentication layer"):
        encode_fragments(Telegram.on_air(0x44, METER, 0x78, LONG), 100)
    assert KEY not in b"".join(_frames(_long()))

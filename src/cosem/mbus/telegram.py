"""A telegram: link, extended link, authentication and transport layer in order, and the application in clear.

`decode` takes one whole frame, wired (68 L L 68 ... 16) or wireless, and `encode` gives it back. What is protected
comes out only verified: keys come from a `KeyStore`, which also refuses repetitions and clear telegrams of meters that
have a key, and counts refusals. `already_decrypted=True` says that the relay has deciphered the text and left the
header as it was; it is never guessed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

from cosem.errors import DecodeError, EncodeError, KeyMissing, SecurityError, WeakProtection
from cosem.link.mbus_frame import MAX_LENGTH, START, STOP, LongFrame, build, parse_at
from cosem.mbus import afl as afl_layer
from cosem.mbus import ell as ell_layer
from cosem.mbus import security
from cosem.mbus.afl import AuthenticationLayer, Joined
from cosem.mbus.ci import Content, Direction, HeaderKind, Meaning, meaning
from cosem.mbus.crc import crc16
from cosem.mbus.ell import ExtendedLink
from cosem.mbus.header import NO_HEADER, Header, decode_header, is_signature
from cosem.mbus.keys import KeyStore
from cosem.mbus.wireless import HEADER, Address, Format, WirelessFrame, decode_frame, encode_frame

WIRED_FRONT = 6
"""Octets of a long frame in front of CI."""

LinkKind = Literal["auto", "wired", "wireless"]


class State(StrEnum):
    """How the application of a telegram came to be what it is."""

    CLEAR = "clear"
    OPENED = "opened"
    ALREADY_DECRYPTED = "already decrypted"
    SEALED = "sealed"
    FRAGMENT = "fragment"


class Layer(NamedTuple):
    """Where a layer stands: `offset` counts octets of the frame without the CRCs of its blocks."""

    name: str
    offset: int
    length: int


class Telegram(NamedTuple):
    """A telegram. `application` follows the header, in clear unless `state` is sealed or a fragment.

    `link` is None for a message put together from fragments. `verified`: a MAC, tag, or what stands for one (2F2F, the
    CRC under the extended link's cipher) was right; None where there was none or no key. `sender`: whose the wireless
    link is, or who was asked on the wire.
    """

    link: LongFrame | WirelessFrame | None
    ci: int
    header: Header
    application: bytes
    ell: ExtendedLink | None = None
    afl: AuthenticationLayer | None = None
    trailer: bytes = b""
    state: State = State.CLEAR
    verified: bool | None = None
    sender: Address | None = None

    @property
    def wired(self) -> bool:
        """Whether it came on the wire."""
        return isinstance(self.link, LongFrame)

    @property
    def meaning(self) -> Meaning:
        """Return what CI says."""
        return meaning(self.ci, wired=self.wired, length=len(self.application))

    @property
    def content(self) -> Content:
        """Return what the application carries."""
        return self.meaning.content

    @property
    def address(self) -> Address | None:
        """Return the meter's address: of the long header or, where there is none, of the wireless link."""
        return self.header.address or self.sender

    @property
    def direction(self) -> Direction:
        """Return who speaks."""
        return self.meaning.direction

    @property
    def access_number(self) -> int | None:
        """Return the access number: of the transport header, else of the extended link layer."""
        if self.header.kind is not HeaderKind.NONE:
            return self.header.access_number
        return None if self.ell is None else self.ell.access_number

    @property
    def security_mode(self) -> int:
        """Return the security mode of the header, 0 for the signature of an old wired meter."""
        configuration = self.header.configuration
        return 0 if is_signature(configuration, wired=self.wired) else configuration.mode

    @property
    def parts(self) -> list[tuple[str, bytes]]:
        """Return the layers by name, outermost first, with their octets: without the CRCs of blocks, and deciphered."""
        parts: list[tuple[str, bytes]] = []
        link, ell = self.link, self.ell
        if isinstance(link, WirelessFrame):
            parts.append(("wmbus-link", link.stripped[:HEADER]))
        elif link is not None:
            length = link.length & 0xFF
            parts.append(("mbus-link", bytes((START, length, length, START, link.control, link.address))))
        inner: list[tuple[str, bytes]] = []
        sealed = ell is not None and self.ci == ell.ci
        if not sealed:
            if self.afl is not None:
                inner.append(("afl", self.afl.octets))
            if self.state is State.FRAGMENT:
                inner.append(("fragment", self.application))
            else:
                inner.append(("tpl", bytes((self.ci,)) + self.header.octets))
                inner.append(("apl", self.application))
            if self.trailer:
                inner.append(("tag", self.trailer))
        if ell is not None:
            crc = (
                b""
                if sealed or ell.session is None
                else crc16(b"".join(part for _, part in inner)).to_bytes(2, "little")
            )
            parts.append(("ell", ell.octets + crc))
        if sealed:
            parts.append(("sealed", self.application))
        parts += inner
        if isinstance(link, LongFrame):
            total = link.control + link.address + link.ci + sum(link.data)
            parts.append(("mbus-link-end", bytes((total & 0xFF, STOP))))
        return parts

    @property
    def octets(self) -> bytes:
        """Return the frame without the CRCs of its blocks, deciphered."""
        return b"".join(part for _, part in self.parts)

    @property
    def layers(self) -> list[Layer]:
        """Return where each layer stands in `octets`."""
        found = []
        at = 0
        for name, part in self.parts:
            found.append(Layer(name, at, len(part)))
            at += len(part)
        return found

    @classmethod
    def on_wire(
        cls,
        control: int,
        address: int,
        ci: int,
        application: bytes,
        header: Header = NO_HEADER,
        *,
        afl: AuthenticationLayer | None = None,
    ) -> Telegram:
        """Return a telegram to be encoded as a long frame."""
        return _made(cls(LongFrame(control, address, ci, b"", 0), ci, header, application, afl=afl))

    @classmethod
    def on_air(
        cls,
        control: int,
        sender: Address,
        ci: int,
        application: bytes,
        header: Header = NO_HEADER,
        *,
        ell: ExtendedLink | None = None,
        afl: AuthenticationLayer | None = None,
        form: Format = Format.STRIPPED,
    ) -> Telegram:
        """Return a telegram to be encoded as a wireless frame in `form`."""
        link = WirelessFrame(control, sender, b"", form)
        return _made(cls(link, ci, header, application, ell, afl, sender=sender))


def _made(telegram: Telegram) -> Telegram:
    kind = meaning(telegram.ci, wired=telegram.wired, length=len(telegram.application)).header
    if kind is not telegram.header.kind:
        raise EncodeError(f"CI {telegram.ci:02X}h has {kind} header, not {telegram.header.kind}")
    return telegram


_NO_APPLICATION = frozenset((Content.RESERVED, Content.LINK, Content.FRAGMENTS))


class _Opening(NamedTuple):
    """How a frame is to be opened."""

    keys: KeyStore | None
    already_decrypted: bool
    sealed: bool
    wired: bool = False
    meter: Address | None = None


def is_wired(frame: bytes) -> bool:
    """Say whether octets begin like a long frame: 68 L L 68."""
    return len(frame) > 3 and frame[0] == frame[3] == 0x68 and frame[1] == frame[2]


def decode(
    frame: bytes,
    *,
    link: LinkKind = "auto",
    keys: KeyStore | None = None,
    already_decrypted: bool = False,
    form: Format | None = None,
    meter: Address | None = None,
) -> Telegram:
    """Return the telegram in one whole frame. `form`: the format of a wireless one, if it is known.

    `meter`: who was asked, for wired answers that do not say whose they are.

    Raises `DecodeError`, and `SecurityError` for what cannot be opened or is not believed; `keys` counts both.
    """
    wired = link == "wired" or (link == "auto" and is_wired(frame))
    return _decode(frame, form, _Opening(keys, already_decrypted, False, wired, meter))


def decode_headers(frame: bytes, *, link: LinkKind = "auto", form: Format | None = None) -> Telegram:
    """Return a telegram without opening it: of one that is protected, `state` is sealed and `application` is cipher."""
    wired = link == "wired" or (link == "auto" and is_wired(frame))
    return _decode(frame, form, _Opening(None, False, True, wired))


def keys_of_one(frame: bytes, key: bytes, *, link: LinkKind = "auto", form: Format | None = None) -> KeyStore:
    """Return a store with one key for the meter of one frame, for whoever has a telegram and its key alone."""
    telegram = decode_headers(frame, link=link, form=form)
    keys = KeyStore()
    for address in (telegram.header.address, telegram.sender):
        if address is not None:
            keys.add(address, key, telegram.header.configuration.key_id)
            keys.add(address, key)
    return keys


def _decode(frame: bytes, form: Format | None, how: _Opening) -> Telegram:
    base = 0
    try:
        if how.wired:
            long_frame, end = parse_at(frame)
            if end != len(frame):
                raise DecodeError(f"{len(frame) - end} octets stand behind the frame", end)
            base = WIRED_FRONT
            return _transport(bytes(frame[base : end - 2]), 0, long_frame, how.meter, None, None, how)
        radio = decode_frame(bytes(frame), form)
        base = HEADER
        return _upper(radio.payload, radio, how)
    except DecodeError as error:
        placed = DecodeError(error.what, error.offset + base) if base else error
        if how.keys is not None:
            how.keys.count(placed)
        raise placed from None
    except SecurityError as error:
        if how.keys is not None:
            how.keys.count(error)
        raise


def _upper(payload: bytes, link: WirelessFrame, how: _Opening) -> Telegram:
    """Read what follows a wireless link: the extended link layer where there is one, and what follows that."""
    sender = link.address
    if not payload or payload[0] not in ell_layer.CIS:
        return _transport(payload, 0, link, sender, None, None, how)
    ell, at = ell_layer.decode_ell(payload)
    if ell.session is None:
        return _transport(payload, at, link, sender, ell, None, how)
    key = _ell_key(ell, sender, how)
    if key is None and ell.enciphered and how.sealed:
        return Telegram(link, ell.ci, NO_HEADER, payload[at:], ell, state=State.SEALED, sender=sender)
    plain = ell_layer.open_payload(ell, sender, payload[at:], key, at)
    if key is not None and how.keys is not None:
        how.keys.commit(sender, 0, "session", ell.session.counter)
    return _transport(payload[:at] + crc16(plain).to_bytes(2, "little") + plain, at + 2, link, sender, ell, None, how)


def _ell_key(ell: ExtendedLink, sender: Address, how: _Opening) -> bytes | None:
    if not ell.enciphered or how.already_decrypted:
        return None
    if how.keys is None:
        if how.sealed:
            return None
        raise KeyMissing(f"the extended link layer of meter {sender} is enciphered, and no keys were given")
    key = how.keys.find(sender)
    if ell.session is not None:
        how.keys.check_counter(sender, 0, "session", ell.session.counter)
    return key


def _transport(
    payload: bytes,
    at: int,
    link: LongFrame | WirelessFrame | None,
    sender: Address | None,
    ell: ExtendedLink | None,
    afl: AuthenticationLayer | None,
    how: _Opening,
) -> Telegram:
    """Read the authentication layer where there is one, the transport layer at `at`, and open the application."""
    if at >= len(payload):
        raise DecodeError("no CI field behind the lower layers" if at else "no CI field", at)
    if payload[at] == afl_layer.CI and afl is None:
        afl, at = afl_layer.decode_afl(payload, at)
        if afl.fragment:
            return Telegram(link, afl_layer.CI, NO_HEADER, payload[at:], ell, afl, state=State.FRAGMENT, sender=sender)
        if at >= len(payload):
            raise DecodeError("no CI field behind the authentication layer", at)
    start = at
    ci = payload[at]
    means = meaning(ci, wired=how.wired, length=len(payload) - at - 1)
    if means.content in _NO_APPLICATION:
        raise DecodeError(f"CI {ci:02X}h is reserved, or its layer does not stand here", at)
    header, at = decode_header(means.header, payload, at + 1, wired=how.wired)
    application, trailer, state = payload[at:], b"", State.CLEAR
    verified: bool | None = None
    if header.configuration.raw & 0x1F00 or afl is not None or how.keys is not None:
        application, trailer, state, verified = _open(
            payload[start:at], header, means.direction, header.address or sender, afl, application, how, ell
        )
    if ell is not None and ell.enciphered:
        verified = verified or (None if how.already_decrypted else True)
        if state is State.CLEAR:
            state = State.ALREADY_DECRYPTED if how.already_decrypted else State.OPENED
    return Telegram(link, ci, header, application, ell, afl, trailer, state, verified, sender)


def _open(
    front: bytes,
    header: Header,
    direction: Direction,
    address: Address | None,
    afl: AuthenticationLayer | None,
    text: bytes,
    how: _Opening,
    ell: ExtendedLink | None,
) -> tuple[bytes, bytes, State, bool | None]:
    """Return application, trailer, state, and whether anything was verified."""
    configuration = header.configuration
    signature = is_signature(configuration, wired=how.wired)
    protected = not signature and security.is_protected(configuration, text)
    has_mac = afl is not None and afl.mac is not None
    if how.already_decrypted:
        return text, b"", State.ALREADY_DECRYPTED if protected else State.CLEAR, None
    if how.sealed:
        return text, b"", State.SEALED if protected else State.CLEAR, None
    if not signature:
        security.refuse(configuration.mode)
    known = how.keys is not None and how.keys.knows(address)
    if not protected and not (has_mac and known):
        if known and text and not (ell is not None and ell.enciphered):
            raise WeakProtection(f"meter {address} has a key, and this telegram came in clear")
        return text, b"", State.CLEAR, None
    if address is None:
        raise KeyMissing("the telegram does not say whose it is: neither a long header nor a wireless link")
    if how.keys is None:
        raise KeyMissing(f"security mode {configuration.mode} of meter {address}, and no keys were given")
    side = f"{'wire' if how.wired else 'air'}, {direction}"
    return _verify(front, header, side, direction, address, afl, text, how.keys, protected)


def _verify(
    front: bytes,
    header: Header,
    side: str,
    direction: Direction,
    address: Address,
    afl: AuthenticationLayer | None,
    text: bytes,
    keys: KeyStore,
    protected: bool,
) -> tuple[bytes, bytes, State, bool | None]:
    """Check counter, MAC and tag in this order, and only then let the counter go on."""
    configuration = header.configuration
    counter = configuration.counter if configuration.counter is not None or afl is None else afl.counter
    scene = security.Scene(header, address, direction, counter, front)
    key_id = configuration.key_id
    # A counter that nothing proves could be set to anything by anybody, and would lock the meter out when believed.
    proven = (afl is not None and afl.mac is not None) or security.proves_counter(configuration)
    counted = counter if proven else None
    kind = f"access, {side}" if counted is None else f"message, {direction}"
    if counted is not None:
        keys.check_counter(address, key_id, kind, counted)
    else:
        keys.check_access(address, key_id, kind, header.access_number)
    if afl is not None and afl.mac is not None:
        information = afl.key_information
        mac_key = keys.find(address, key_id if information is None else information.key_id)
        security.check_mac(mac_key, afl, scene, front + text)
    elif configuration.mode == 7 and keys.mac_of_mode_7:
        raise WeakProtection(f"security mode 7 of meter {address} without a MAC")
    opened = security.Text(text, b"")
    if protected:
        opened = security.open_text(keys.find(address, key_id), scene, text)
    if counted is not None or header.kind is not HeaderKind.NONE:
        keys.commit(address, key_id, kind, header.access_number if counted is None else counted)
    return opened.plain, opened.trailer, State.OPENED if protected else State.CLEAR, True


def decode_message(
    message: bytes,
    *,
    wired: bool = False,
    meter: Address | None = None,
    afl: AuthenticationLayer | None = None,
    keys: KeyStore | None = None,
    already_decrypted: bool = False,
) -> Telegram:
    """Return the telegram of a message without its link, CI first: as other networks carry it, or from fragments.

    `meter`: whose it is where no long header says so. `afl`: the layer it came under. Errors as in `decode`.
    """
    how = _Opening(keys, already_decrypted, False, wired, meter)
    try:
        return _transport(bytes(message), 0, None, meter, None, afl, how)
    except (DecodeError, SecurityError) as error:
        if keys is not None:
            keys.count(error)
        raise


def decode_joined(
    joined: Joined, first: Telegram, *, keys: KeyStore | None = None, already_decrypted: bool = False
) -> Telegram:
    """Return the telegram of a message put together; `first` is any fragment's, for the link's address."""
    return decode_message(
        joined.message,
        wired=first.wired,
        meter=first.sender,
        afl=joined.layer,
        keys=keys,
        already_decrypted=already_decrypted,
    )


def _key_of(telegram: Telegram, keys: KeyStore | None, key_id: int) -> bytes:
    address = telegram.address
    if keys is None or address is None:
        raise KeyMissing("a protected telegram is made with the key of an address")
    return keys.find(address, key_id)


def _message(telegram: Telegram, keys: KeyStore | None) -> tuple[bytes, AuthenticationLayer | None]:
    """Return CI, header and protected application, and the authentication layer with its MAC."""
    front = bytes((telegram.ci,)) + telegram.header.octets
    configuration = telegram.header.configuration
    afl = telegram.afl
    text = telegram.application
    untouched = telegram.state in (State.ALREADY_DECRYPTED, State.SEALED)
    if untouched:
        return front + text + telegram.trailer, afl
    counter = configuration.counter if configuration.counter is not None or afl is None else afl.counter
    protected = telegram.security_mode != 0 and security.is_protected(configuration, text)
    address = telegram.address
    if not protected and (afl is None or not afl.authentication):
        return front + text, afl
    if address is None:
        raise EncodeError("a protected telegram needs an address")
    if afl is not None and afl.authentication and keys is None and not protected:
        return front + text, afl
    scene = security.Scene(telegram.header, address, telegram.direction, counter, front)
    if protected:
        text = security.protect_text(_key_of(telegram, keys, configuration.key_id), scene, text)
    if afl is not None and afl.authentication:
        information = afl.key_information
        key = _key_of(telegram, keys, configuration.key_id if information is None else information.key_id)
        afl = afl._replace(mac=security.message_mac(key, afl, scene, front + text))
    return front + text, afl


def _framed(telegram: Telegram, body: bytes, keys: KeyStore | None, ell: ExtendedLink | None) -> bytes:
    link = telegram.link
    if isinstance(link, LongFrame):
        if len(body) > MAX_LENGTH - 2:
            raise EncodeError(f"a long frame holds {MAX_LENGTH - 2} octets from CI on, not {len(body)}")
        return build(link.control, link.address, body[0], body[1:])
    if link is None:
        raise EncodeError("a message put together has no link to be sent on")
    if ell is not None:
        key = None
        if ell.enciphered and telegram.state not in (State.ALREADY_DECRYPTED, State.SEALED):
            if keys is None:
                raise KeyMissing("an enciphered extended link layer is made with the key of its sender")
            key = keys.find(link.address)
        if telegram.state is State.SEALED and ell.enciphered and telegram.ci == ell.ci:
            body = ell.octets + telegram.application
        else:
            body = ell.octets + ell_layer.protect_payload(ell, link.address, body, key)
    return encode_frame(WirelessFrame(link.control, link.address, body, link.format))


def encode(telegram: Telegram, *, keys: KeyStore | None = None) -> bytes:
    """Return the frame of a telegram: protected by the keys of its address where its layers say so.

    One that was already decrypted, or was never opened, is given back as it came. Raises `KeyMissing`, and
    `EncodeError` for what no frame holds.
    """
    if telegram.state is State.FRAGMENT and telegram.afl is not None:
        return _framed(telegram, telegram.afl.octets + telegram.application, keys, telegram.ell)
    message, afl = _message(telegram, keys)
    return _framed(telegram, message if afl is None else afl.octets + message, keys, telegram.ell)


def encode_fragments(telegram: Telegram, size: int, *, keys: KeyStore | None = None) -> list[bytes]:
    """Return the frames that carry a long message, `size` octets of it in each. Its authentication layer is needed.

    The access number of an extended link layer goes on by one from frame to frame.
    """
    if telegram.afl is None or telegram.afl.control is None:
        raise EncodeError("fragments need an authentication layer with its control field")
    length = len(_message(telegram, keys)[0])
    whole = telegram.afl._replace(control=telegram.afl.control | afl_layer.MESSAGE_ML, length=length)
    message, afl = _message(telegram._replace(afl=whole), keys)
    frames = []
    for index, (layer, piece) in enumerate(afl_layer.fragment(afl or whole, message, size)):
        ell = telegram.ell
        if ell is not None:
            session = ell.session
            if session is not None:
                session = session._replace(minutes=session.minutes + (session.session + index) // 16)
                session = session._replace(session=(session.session + index) % 16)
            ell = ell._replace(access_number=(ell.access_number + index) % 0x100, session=session)
        frames.append(_framed(telegram, layer.octets + piece, keys, ell))
    return frames

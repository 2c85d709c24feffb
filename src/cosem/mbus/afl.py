"""The authentication and fragmentation layer: CI 90h, length, fields, and long messages put together (EN 13757-7, 6).

Behind CI and length stand FCL (2 octets) and, where FCL says so, MCL (1), KI (2), MCR (4), MAC and ML (2), in this
order. MCL is in the first fragment only and says which of them the message has and how long its MAC is. All numbers are
least significant octet first; the MAC is sent as it is computed.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, NoReturn

from cosem.errors import DecodeError, EncodeError

CI = 0x90
MORE, HAS_MCL, HAS_ML, HAS_MCR, HAS_MAC, HAS_KI = 0x4000, 0x2000, 0x1000, 0x0800, 0x0400, 0x0200
MESSAGE_ML, MESSAGE_MCR, MESSAGE_KI = 0x40, 0x20, 0x10
MAC_LENGTHS = {0: 0, 3: 2, 4: 4, 5: 8, 6: 12, 7: 16, 8: 12, 9: 16}
"""Octets of the MAC by authentication type: 3 to 7 CMAC, 8 and 9 GMAC; others are reserved."""
GMAC_TYPES = frozenset((8, 9))
LAST_FRAGMENT = 0xFF
"""Fragments are numbered from 1, and their number never starts over."""


class KeyInformation(NamedTuple):
    """Which key the message's MAC is made with: version, derivation (0 none, 1 function A) and id."""

    version: int
    derivation: int
    key_id: int

    @property
    def octets(self) -> bytes:
        """Return the field as sent."""
        return bytes((self.derivation << 4 | self.key_id, self.version))


class AuthenticationLayer(NamedTuple):
    """The layer of one frame; what is absent is None. `fragment` 0: the message is whole in this frame."""

    fragment: int = 0
    more: bool = False
    control: int | None = None
    key_information: KeyInformation | None = None
    counter: int | None = None
    mac: bytes | None = None
    length: int | None = None

    @property
    def authentication(self) -> int:
        """Return the authentication type, 0 for none or where MCL is in another fragment."""
        return 0 if self.control is None else self.control & 0x0F

    @property
    def fields(self) -> bytes:
        """Return MCL, KI, MCR and ML as they enter the MAC, and as they are sent."""
        return (
            (b"" if self.control is None else bytes((self.control,)))
            + (b"" if self.key_information is None else self.key_information.octets)
            + (b"" if self.counter is None else self.counter.to_bytes(4, "little"))
            + (b"" if self.length is None else self.length.to_bytes(2, "little"))
        )

    @property
    def octets(self) -> bytes:
        """Return the layer as sent, CI first."""
        fcl = (
            self.fragment
            | (MORE if self.more else 0)
            | (0 if self.control is None else HAS_MCL)
            | (0 if self.length is None else HAS_ML)
            | (0 if self.counter is None else HAS_MCR)
            | (0 if self.mac is None else HAS_MAC)
            | (0 if self.key_information is None else HAS_KI)
        )
        fields = self.fields
        if self.mac is not None:
            cut = len(fields) - (0 if self.length is None else 2)
            fields = fields[:cut] + self.mac + fields[cut:]
        body = fcl.to_bytes(2, "little") + fields
        return bytes((CI, len(body))) + body


def message_control(
    mac_length: int, *, counter: bool = True, length: bool = False, key_information: bool = False
) -> int:
    """Return MCL for a message with a CMAC of `mac_length` octets. Raises `EncodeError` for a length there is none."""
    kind = {size: kind for kind, size in MAC_LENGTHS.items() if kind not in GMAC_TYPES}.get(mac_length)
    if kind is None:
        raise EncodeError(f"a CMAC has 2, 4, 8, 12 or 16 octets, not {mac_length}")
    flags = (MESSAGE_MCR if counter else 0) | (MESSAGE_ML if length else 0) | (MESSAGE_KI if key_information else 0)
    return flags | kind


def decode_afl(octets: bytes, start: int = 0) -> tuple[AuthenticationLayer, int]:
    """Read the layer whose CI stands at `start`; return it with the offset behind it. Raises `DecodeError`.

    The length of a MAC in a fragment without MCL is what the layer's own length leaves for it.
    """
    if len(octets) < start + 4:
        raise DecodeError("the authentication layer is cut short", len(octets))
    size = octets[start + 1]
    at, end = start + 4, start + 2 + size
    if size < 2 or end > len(octets):
        raise DecodeError(
            f"the authentication layer says {size} octets, {len(octets) - start - 2} are there", start + 1
        )
    fcl = octets[start + 2] | octets[start + 3] << 8
    if fcl & 0x8100:
        raise DecodeError(f"reserved bits are set in the fragmentation control field {fcl:04X}", start + 2)
    control = information = counter = mac = length = None
    if fcl & HAS_MCL:
        control, at = _number(octets, at, end, 1), at + 1
    if fcl & HAS_KI:
        raw, at = _number(octets, at, end, 2), at + 2
        if raw & 0xC0:
            raise DecodeError("reserved bits are set in the key information", at - 2)
        information = KeyInformation(raw >> 8, raw >> 4 & 3, raw & 0x0F)
    if fcl & HAS_MCR:
        counter, at = _number(octets, at, end, 4), at + 4
    if fcl & HAS_MAC:
        tail = 2 if fcl & HAS_ML else 0
        wanted = end - at - tail
        if control is not None:
            known = MAC_LENGTHS.get(control & 0x0F)
            if not known:
                raise DecodeError(f"authentication type {control & 0x0F} has no MAC, and one is there", start + 4)
            wanted = known
        if wanted <= 0 or at + wanted > end:
            raise DecodeError("the MAC is cut short", at)
        mac, at = bytes(octets[at : at + wanted]), at + wanted
    if fcl & HAS_ML:
        length, at = _number(octets, at, end, 2), at + 2
    if at != end:
        raise DecodeError(f"{end - at} octets of the authentication layer belong to no field", at)
    fragment = fcl & 0xFF
    more = bool(fcl & MORE)
    if more and not fragment:
        raise DecodeError("more fragments follow a message that is not fragmented", start + 2)
    return AuthenticationLayer(fragment, more, control, information, counter, mac, length), end


def _number(octets: bytes, at: int, end: int, size: int) -> int:
    if at + size > end:
        raise DecodeError("the authentication layer is too short for its fields", at)
    return int.from_bytes(octets[at : at + size], "little")


def fragment(layer: AuthenticationLayer, message: bytes, size: int) -> list[tuple[AuthenticationLayer, bytes]]:
    """Return the layers and pieces, `size` octets each, that carry `message`; all fields but the MAC go in the first.

    `layer` is that of the whole message, its MAC computed with `length` set: the MAC goes in the last fragment.
    """
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    if not 2 <= len(pieces) <= LAST_FRAGMENT:
        raise EncodeError(f"a message goes in 2 to {LAST_FRAGMENT} fragments, not in {len(pieces)}")
    last = len(pieces)
    result = [(layer._replace(fragment=1, more=True, mac=None), pieces[0])]
    for number, piece in enumerate(pieces[1:], start=2):
        mac = layer.mac if number == last else None
        result.append((AuthenticationLayer(number, number < last, mac=mac), piece))
    return result


class _Waiting(NamedTuple):
    first: AuthenticationLayer
    pieces: list[bytes]
    at: float
    mac: bytes | None


class Joined(NamedTuple):
    """A message put together: its layer as if it had come whole (fragment 0), and its octets from CI on."""

    layer: AuthenticationLayer
    message: bytes


class FragmentJoiner:
    """Puts fragments of each sender together. It holds at most `senders` messages of at most `size` octets.

    `patience`: seconds after which the next fragment no longer comes. What is given up is counted in `failures` by
    reason. Fragments of one message come in order; a repeated one is passed over.
    """

    def __init__(
        self,
        *,
        patience: float = 60.0,
        size: int = 16_384,
        senders: int = 64,
        failures: Counter[str] | None = None,
    ) -> None:
        self.failures: Counter[str] = Counter() if failures is None else failures
        self._patience = patience
        self._size = size
        self._senders = senders
        self._waiting: dict[bytes, _Waiting] = {}

    @property
    def waiting(self) -> int:
        """Return how many messages wait for more."""
        return len(self._waiting)

    def expire(self, now: float) -> None:
        """Give up messages whose next fragment did not come."""
        for sender in [key for key, item in self._waiting.items() if now - item.at > self._patience]:
            self._give_up(sender, "fragment late")

    def take(self, sender: bytes, layer: AuthenticationLayer, piece: bytes, now: float) -> Joined | None:
        """Take a fragment and return the message that is whole with it. Raises `DecodeError` for what cannot follow."""
        self.expire(now)
        number = layer.fragment
        held = self._waiting.get(sender)
        if number == 1:
            if held is not None and held.first == layer and held.pieces[0] == piece:
                return None
            if held is not None:
                self._give_up(sender, "message cut")
            if not layer.more:
                self._refuse("fragment 1 is the last: a message that is whole has fragment 0")
            if len(self._waiting) >= self._senders:
                self._give_up(min(self._waiting, key=lambda key: self._waiting[key].at), "too many senders")
            self._waiting[sender] = _Waiting(layer, [piece], now, layer.mac)
            return None
        if held is None:
            self._refuse(f"fragment {number} of a message whose beginning is missing")
        if number == len(held.pieces) and held.pieces[-1] == piece:
            return None
        if number != len(held.pieces) + 1:
            self._waiting.pop(sender)
            self._refuse(f"fragment {number} follows fragment {len(held.pieces)}")
        if layer.control is not None or (layer.mac is not None and held.mac is not None):
            self._waiting.pop(sender)
            self._refuse("a field that the message had already")
        pieces = [*held.pieces, piece]
        if sum(map(len, pieces)) > self._size:
            self._waiting.pop(sender)
            self._refuse(f"a message of more than {self._size} octets")
        first = held.first._replace(
            counter=held.first.counter if layer.counter is None else layer.counter,
            key_information=held.first.key_information or layer.key_information,
        )
        mac = held.mac or layer.mac
        if layer.more:
            self._waiting[sender] = _Waiting(first, pieces, now, mac)
            return None
        self._waiting.pop(sender)
        message = b"".join(pieces)
        if first.length is not None and first.length != len(message):
            self._refuse(f"the message has {len(message)} octets, its length says {first.length}")
        return Joined(first._replace(fragment=0, more=False, mac=mac), message)

    def _give_up(self, sender: bytes, reason: str) -> None:
        self._waiting.pop(sender)
        self.failures[reason] += 1

    def _refuse(self, what: str) -> NoReturn:
        self.failures["fragment refused"] += 1
        raise DecodeError(what, 0, ("afl",))

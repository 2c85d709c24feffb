"""Looking for meters on a wired M-Bus: by primary addresses, and by secondary ones with a search tree for collisions.

A selection with wildcards is answered by everybody it means. Whatever is heard that is no clean E5 is a collision, and
so is a clean E5 of several slaves in step, whose answers then collide. A collision is split: by the next digit of the
identification number, then, for meters with the same number, by medium, version and manufacturer (whole octets: there
is no wildcard digit in those), then by the digits of the fabrication number. A meter counts as found when it has been
selected by its own address and has answered so.

What no search can find: two slaves that answer in step to the bit, when one's octets cover the other's; and of twins in
everything but the fabrication number, one that knows no enhanced selection beside one that does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log
from typing import NamedTuple

from cosem.link.mbus_frame import LongFrame, build_short
from cosem.mbus.addresses import ANY, LARGEST, SELECTED, SecondaryAddress
from cosem.mbus.link_fields import SND_NKE
from cosem.mbus.master import Exchange, Heard, Kind, Wants
from cosem.mbus.primary import Conversation, Primary, Reply, fits, header_address, identity_of

DIGITS = tuple(range(10))
OCTETS = tuple(range(0xFF))
"""FF is the wildcard: a meter with it in its address is found only where nobody shares the rest."""
MEDIA = (*range(0x40), *range(0x40, 0xFF))
MANUFACTURER_HIGH = tuple(range(0x6C))
"""Three letters have no more in their first octet."""
NOISE_PRIOR = (1.0, 10.0)
"""Tries that were lost, and tries, before there is experience: a bus is taken for noisy until it has proved better."""
CERTAINTY = 1e-5
"""How likely a silence may be the work of noise."""
MIN_TRIES, MAX_TRIES = 2, 9
PROOFS = 3
"""How often a meter may say another thing of itself before its branch is split."""
MOST = 32
"""Addresses at which somebody acknowledges and nobody answers: more of them are one who does so everywhere."""
COLLISIONS = 3
"""Garbled answers that are a collision and not noise."""


class FoundPrimary(NamedTuple):
    """Who answers at a primary address; `identity` is what its header says, None where it has none."""

    address: int
    identity: SecondaryAddress | None
    telegram: Reply | None


class PrimaryScan(NamedTuple):
    """Meters by primary address, and addresses at which several answer."""

    found: tuple[FoundPrimary, ...]
    collisions: tuple[int, ...]


class FoundSecondary(NamedTuple):
    """A meter, by the address that selects it and nobody else, and the first telegram of its answer."""

    address: SecondaryAddress
    primary: int
    telegram: Reply


class SecondaryScan(NamedTuple):
    """Meters by secondary address. `unresolved`: somebody acknowledges here, and what he answers is of no use.

    Where more than `MOST` are unresolved, somebody acknowledges whatever is selected: the search has ended early, and
    all of what was to be searched is unresolved.
    """

    found: tuple[FoundSecondary, ...]
    unresolved: tuple[SecondaryAddress, ...]


Progress = Callable[[FoundPrimary | FoundSecondary], None]


@dataclass(slots=True)
class _Noise:
    """How many tries a silence needs to be believed, from the tries that were lost on slaves that do answer."""

    lost: float = NOISE_PRIOR[0]
    tried: float = NOISE_PRIOR[1]

    def learn(self, heard: Heard) -> None:
        """Take an exchange that was answered in the end."""
        self.lost += heard.tries - 1
        self.tried += heard.tries

    @property
    def tries(self) -> int:
        share = min(max(self.lost / self.tried, 1e-6), 0.5)
        return min(max(ceil(log(CERTAINTY) / log(share)), MIN_TRIES), MAX_TRIES)


def scan_primary(
    bus: Primary,
    addresses: Sequence[int] = range(LARGEST + 1),
    *,
    tries: int | None = None,
    progress: Progress | None = None,
) -> Conversation[PrimaryScan]:
    """Ask every address for its link (SND_NKE) and then for its data. `tries` per address; by experience if None."""
    noise = _Noise()
    found: list[FoundPrimary] = []
    collisions: list[int] = []
    for address in addresses:
        frame = build_short(SND_NKE, address)
        heard: Heard = yield Exchange(frame, address, Wants.ACKNOWLEDGE, tries or noise.tries, patient=True)
        if heard.kind is Kind.SILENCE and not heard.garbled:
            continue
        if heard.kind is Kind.ACKNOWLEDGED:
            bus.forget(address)
            noise.learn(heard)
        answer = yield from bus.request(address, tries=max(noise.tries, COLLISIONS), patient=True)
        if answer.kind is Kind.SILENCE and heard.kind is not Kind.ACKNOWLEDGED:
            continue  # noise
        if answer.kind is Kind.GARBLED:
            collisions.append(address)
            continue
        noise.learn(answer)
        meter = _found_primary(address, answer.frame)
        found.append(meter)
        if progress is not None:
            progress(meter)
    return PrimaryScan(tuple(found), tuple(collisions))


def _found_primary(address: int, frame: LongFrame | None) -> FoundPrimary:
    if frame is None:
        return FoundPrimary(address, None, None)
    return FoundPrimary(address, header_address(frame), Reply(frame.ci, frame.data))


def scan_secondary(
    bus: Primary,
    within: SecondaryAddress = ANY,
    *,
    tries: int | None = None,
    digits: Sequence[int] = DIGITS,
    progress: Progress | None = None,
) -> Conversation[SecondaryScan]:
    """Find every meter that `within` matches. `tries` per selection; by experience of the noise if None.

    `digits` are tried in identification numbers; say 0 to 15 where meters have hex digits in theirs.
    """
    search = _Search(bus, tries, tuple(digits), progress)
    result = yield from search.run(within)
    yield from bus.deselect()
    return result


class _Branch(NamedTuple):
    """A collision that is being split, and how many meters were known before."""

    mask: SecondaryAddress
    children: Iterator[SecondaryAddress]
    known_before: int
    repeated: bool


class _Search:
    def __init__(self, bus: Primary, tries: int | None, digits: tuple[int, ...], progress: Progress | None) -> None:
        self.bus = bus
        self.fixed_tries = tries
        self.digits = digits
        self.progress = progress
        self.noise = _Noise()
        self.found: dict[SecondaryAddress, FoundSecondary] = {}
        self.unresolved: list[SecondaryAddress] = []

    @property
    def tries(self) -> int:
        return self.fixed_tries or self.noise.tries

    def run(self, within: SecondaryAddress) -> Conversation[SecondaryScan]:
        # A stack, not recursion: a tree of twins is a dozen levels deep, and steps pass through each of them.
        branches = [_Branch(within, iter((within,)), 0, repeated=True)]
        while branches:
            if len(self.unresolved) > MOST:
                self.unresolved = [within]
                break
            branch = branches[-1]
            mask = next(branch.children, None)
            if mask is not None:
                if (yield from self._collides(mask)):
                    self._open(branches, mask, repeated=False)
                continue
            branches.pop()
            if self._known > branch.known_before or not branches:
                continue
            # Something was heard above, and nobody below: noise, or somebody whom noise hid.
            heard = yield from self._select(branch.mask)
            if heard.kind is not Kind.SILENCE:
                self._open(branches, branch.mask, repeated=branch.repeated, again=True)
        found = sorted(self.found.values(), key=lambda item: (item.address.identification, item.address))
        return SecondaryScan(tuple(found), tuple(self.unresolved))

    @property
    def _known(self) -> int:
        return len(self.found) + len(self.unresolved)

    def _open(self, branches: list[_Branch], mask: SecondaryAddress, *, repeated: bool, again: bool = False) -> None:
        children = self._children(mask)
        if children is None or repeated:
            self.unresolved.append(mask)
        else:
            branches.append(_Branch(mask, children, self._known, repeated=again))

    # --- one branch ----------------------------------------------------------------------------------------

    def _collides(self, mask: SecondaryAddress) -> Conversation[bool]:
        """Look at one branch: nobody, or one meter that is found, or several, which is True."""
        heard = yield from self._select(mask)
        if heard.kind is Kind.SILENCE:
            return False
        if heard.kind is Kind.GARBLED:
            return True
        telegram = yield from self._identify(mask)
        if telegram is None:
            return True
        return not (yield from self._prove(mask, telegram))

    def _select(self, mask: SecondaryAddress) -> Conversation[Heard]:
        """Select until there is a clean E5, or the garbled answers are a collision, or the silence can be believed."""
        silent = garbled = 0
        while True:
            heard = yield from self.bus.try_select(mask, tries=1, patient=True)
            if heard.kind is Kind.ACKNOWLEDGED:
                self.noise.learn(heard._replace(tries=1 + silent))
                return heard
            if heard.kind is Kind.GARBLED:
                garbled += 1
                if garbled >= COLLISIONS:
                    return heard
                continue
            silent += 1
            # A stray octet among silences is noise; whoever is there makes himself heard most of the time.
            if silent >= self.tries + 2 * garbled:
                return heard

    def _identify(self, mask: SecondaryAddress) -> Conversation[LongFrame | None]:
        """Read whoever is selected; None where several answer, or nobody does."""
        silent = garbled = 0
        while garbled < COLLISIONS and silent < self.tries:
            heard = yield from self.bus.request(SELECTED, tries=1, patient=True)
            if heard.frame is not None and fits(heard.frame, mask):
                self.noise.learn(heard._replace(tries=1 + silent + garbled))
                return heard.frame
            if heard.kind is Kind.SILENCE:
                silent += 1
                continue
            garbled += 1
            if heard.kind is not Kind.GARBLED:
                # A selection that was altered on the way selects others.
                again = yield from self._select(mask)
                if again.kind is not Kind.ACKNOWLEDGED:
                    return None
        return None

    def _prove(self, mask: SecondaryAddress, frame: LongFrame) -> Conversation[bool]:
        """Select the meter by its own address and read it again: octets that collided may look like an answer."""
        for _ in range(PROOFS):
            identity = identity_of(frame, mask)
            if identity is None:
                # Neither header nor mask says who it is: the tree goes on to the last digit.
                return False
            own = SecondaryAddress(identity.octets, mask.fabrication)
            if own in self.found:
                return True
            heard = yield from self._select(own)
            if heard.kind is not Kind.ACKNOWLEDGED:
                return False
            again = yield from self._identify(own)
            if again is None:
                return False
            proof = identity_of(again, own)
            if proof is not None and proof.octets == own.octets:
                self._add(own, again)
                return True
            # The header says another thing now: one of the two was altered on its way.
            frame = again
        return False

    def _add(self, address: SecondaryAddress, frame: LongFrame) -> None:
        meter = FoundSecondary(address, frame.address, Reply(frame.ci, frame.data))
        self.found[address] = meter
        if self.progress is not None:
            self.progress(meter)

    # --- splitting -----------------------------------------------------------------------------------------

    def _children(self, mask: SecondaryAddress) -> Iterator[SecondaryAddress] | None:
        """Return the branches below a collision, None where nothing is left to split by."""
        number = mask.identification
        if "F" in number:
            texts = (number.replace("F", f"{digit:X}", 1) for digit in self.digits)
            return (SecondaryAddress(bytes.fromhex(text)[::-1] + mask.octets[4:], mask.fabrication) for text in texts)
        for place, values in ((7, MEDIA), (6, OCTETS), (5, MANUFACTURER_HIGH), (4, OCTETS)):
            if mask.octets[place] == 0xFF:
                return (_with_octet(mask, place, value) for value in values)
        text = "FFFFFFFF" if mask.fabrication_number is None else mask.fabrication_number
        if "F" not in text:
            return None
        digits = (text.replace("F", f"{digit:X}", 1) for digit in DIGITS)
        return (SecondaryAddress(mask.octets, bytes.fromhex(item)[::-1]) for item in digits)


def _with_octet(mask: SecondaryAddress, place: int, value: int) -> SecondaryAddress:
    octets = bytearray(mask.octets)
    octets[place] = value
    return SecondaryAddress(bytes(octets), mask.fabrication)

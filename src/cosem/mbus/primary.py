"""What a master does on a wired M-Bus, as conversations over `cosem.mbus.master.BusMaster` (EN 13757-2, -3 and -7).

Reading, sending, selecting, resetting, changing addresses and speeds; looking for meters is in `cosem.mbus.search`.
An address is a primary one or a `SecondaryAddress`; the latter is selected first and then spoken to as 253.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

from cosem.errors import ConfigError, RemoteProtocolError, Timeout
from cosem.link.mbus_frame import LongFrame, build, build_short
from cosem.mbus.addresses import BROADCAST, LARGEST, REPEATER, SELECTED, TEST, SecondaryAddress, check_primary
from cosem.mbus.continuation import more_follows
from cosem.mbus.link_fields import (
    ADDRESS_RECORD,
    APPLICATION_RESET,
    BAUD_CI,
    DATA_SEND,
    FCB,
    FCV,
    FIXED_STRUCTURE,
    LONG_HEADER,
    MAX_TELEGRAMS,
    REQ_UD1,
    REQ_UD2,
    SELECT,
    SND_NKE,
    SND_UD,
)
from cosem.mbus.master import BusMaster, Exchange, Heard, Kind, Wants

T = TypeVar("T")

Conversation = Generator[Any, Any, T]
MeterAddress = int | SecondaryAddress
MoreFollows = Callable[[int, bytes], bool]
"""Says of CI and data whether the answer goes on in another telegram (DIF 1F)."""


class Reply(NamedTuple):
    """One telegram of an answer as it came: CI and what follows it. `cosem.mbus.telegram` knows what it means."""

    ci: int
    octets: bytes


class Primary:
    """The conversations of one bus.

    They raise `Timeout` where nobody answers, `RemoteProtocolError` for answers that collide or make no sense,
    `ConnectionLost`, and `ConfigError` for what no bus has. `switchable` says whether the speed of the line can be
    changed from here: a serial port's can, a converter's cannot.
    """

    def __init__(self, master: BusMaster, *, more_follows: MoreFollows = more_follows, switchable: bool = True) -> None:
        self.master = master
        self.more_follows = more_follows
        self.switchable = switchable
        self._counts: dict[int, bool] = {}
        self._speeds: dict[MeterAddress, int] = {}
        """Of meters that were switched, by the address by which they were."""

    # --- the link ------------------------------------------------------------------------------------------

    def _counted(self, address: int, control: int) -> int:
        """Return C with the frame count bit of the next frame to this slave: 1 first, then in turn."""
        bit = not self._counts.get(address, False)
        self._counts[address] = bit
        return control | FCV | (FCB if bit else 0)

    def reset(self, address: int, *, tries: int | None = None) -> Conversation[None]:
        """Reset the link of a slave (SND_NKE): its frame count begins anew, and so does a long answer.

        253 deselects; nobody answers 255.
        """
        check_primary(address)
        wants = Wants.NOTHING if address == BROADCAST else Wants.ACKNOWLEDGE
        heard: Heard = yield Exchange(build_short(SND_NKE, address), address, wants, tries)
        if heard.kind not in (Kind.ACKNOWLEDGED, Kind.SENT):
            _fail(heard, address)
        self.forget(address)

    def forget(self, address: int) -> None:
        """Count frames to a slave from the beginning, as it does after a reset; to all known ones for 255."""
        for one in tuple(self._counts) if address == BROADCAST else (address,):
            self._counts[one] = False

    def select(self, address: SecondaryAddress) -> Conversation[None]:
        """Select whoever matches, to be spoken to as 253. Raises `Timeout` where nobody does."""
        heard = yield from self.try_select(address)
        if heard.kind is not Kind.ACKNOWLEDGED:
            _fail(heard, address)

    def try_select(
        self, address: SecondaryAddress, *, tries: int | None = None, patient: bool = False
    ) -> Conversation[Heard]:
        """Send a selection, at the speed of whom it means, and return what came of it."""
        self._selected_speed(address)
        octets = build(SND_UD | FCV, SELECTED, SELECT, address.selection())
        heard: Heard = yield Exchange(octets, SELECTED, Wants.ACKNOWLEDGE, tries, patient)
        self.forget(SELECTED)
        return heard

    def _selected_speed(self, address: SecondaryAddress) -> None:
        """Speak to 253 at the speed of a meter that was switched, and at that of the bus to all others."""
        speed = self._speeds.get(address)
        if speed is None:
            self.master.speeds.pop(SELECTED, None)
        else:
            self.master.speeds[SELECTED] = speed

    def deselect(self) -> Conversation[None]:
        """End the selection (SND_NKE to 253). Nobody being selected is no error."""
        yield Exchange(build_short(SND_NKE, SELECTED), SELECTED, Wants.ACKNOWLEDGE, 1)
        self.forget(SELECTED)

    def _reach(self, address: MeterAddress) -> Conversation[int]:
        if isinstance(address, SecondaryAddress):
            yield from self.select(address)
            return SELECTED
        check_primary(address)
        if address not in (SELECTED, TEST, BROADCAST) and address not in self._counts:
            # What was counted before this master came is not known, and the same bit would be a repetition.
            yield from self.reset(address)
        return address

    # --- reading -------------------------------------------------------------------------------------------

    def request(
        self, address: int, *, alarm: bool = False, tries: int | None = None, patient: bool = False
    ) -> Conversation[Heard]:
        """Ask for one telegram (REQ_UD2, or REQ_UD1 for alarms) and return what came of it."""
        control = self._counted(address, REQ_UD1 if alarm else REQ_UD2)
        heard: Heard = yield Exchange(build_short(control, address), address, Wants.RESPONSE, tries, patient)
        if heard.kind not in (Kind.ANSWERED, Kind.ACKNOWLEDGED):
            # Whether the slave counted the frame is not known: the next one carries the same bit.
            self._counts[address] = not self._counts[address]
        return heard

    def read(
        self, address: MeterAddress, *, reset: bool = True, limit: int = MAX_TELEGRAMS
    ) -> Conversation[tuple[Reply, ...]]:
        """Read a meter: every telegram of its answer, `limit` of them at the most.

        `reset` begins with SND_NKE, so that the answer begins with its first telegram.
        """
        telegrams: list[Reply] = []
        known = address in self._counts
        target = yield from self._readable(address)
        if reset and known and target not in (SELECTED, TEST):
            yield from self.reset(target)
        while len(telegrams) < limit:
            heard = yield from self.request(target)
            if heard.kind is Kind.ACKNOWLEDGED:
                break  # no data
            if heard.frame is None:
                _fail(heard, address)
            _check_speaker(address, heard.frame, telegrams)
            telegrams.append(Reply(heard.frame.ci, heard.frame.data))
            if not self.more_follows(heard.frame.ci, heard.frame.data):
                break
        return tuple(telegrams)

    def read_alarm(self, address: MeterAddress) -> Conversation[Reply | None]:
        """Ask for class 1 data; None where there is no alarm."""
        target = yield from self._readable(address)
        heard = yield from self.request(target, alarm=True)
        if heard.kind is Kind.ACKNOWLEDGED:
            return None
        if heard.frame is None:
            _fail(heard, address)
        _check_speaker(address, heard.frame, ())
        return Reply(heard.frame.ci, heard.frame.data)

    def _readable(self, address: MeterAddress) -> Conversation[int]:
        if address in (BROADCAST, REPEATER):
            raise ConfigError(f"nobody answers at {address}: read a meter at 0 to {LARGEST}, 253 or 254")
        return (yield from self._reach(address))

    # --- sending -------------------------------------------------------------------------------------------

    def send(self, address: MeterAddress, ci: int, octets: bytes = b"") -> Conversation[None]:
        """Send an application layer (SND_UD) and wait for the acknowledge, which 255 does not give."""
        target = yield from self._reach(address)
        wants = Wants.NOTHING if target == BROADCAST else Wants.ACKNOWLEDGE
        control = SND_UD if target == BROADCAST else self._counted(target, SND_UD)
        heard: Heard = yield Exchange(build(control, target, ci, octets), target, wants)
        if heard.kind not in (Kind.ACKNOWLEDGED, Kind.SENT):
            self._counts[target] = not self._counts[target]
            _fail(heard, address)

    def application_reset(self, address: MeterAddress, subcode: int | None = None) -> Conversation[None]:
        """Reset the application, or have it answer with what `subcode` stands for from now on (CI 50)."""
        if subcode is not None and not 0 <= subcode <= 0xFF:
            raise ConfigError(f"a subcode has one octet, not {subcode}")
        yield from self.send(address, APPLICATION_RESET, b"" if subcode is None else bytes((subcode,)))

    def set_address(self, address: MeterAddress, new: int) -> Conversation[None]:
        """Give a meter the primary address `new` (0 to 250), and see that it answers there.

        Raises `ConfigError` for 255: every meter of the bus would get the same one.
        """
        check_primary(new, special=False)
        if address == BROADCAST:
            raise ConfigError("an address is given to one meter, not to all")
        yield from self.send(address, DATA_SEND, ADDRESS_RECORD + bytes((new,)))
        if isinstance(address, int) and address in self.master.speeds:
            self.master.speeds[new] = self.master.speeds.pop(address)
        yield from self.reset(new)

    def set_baud(self, address: MeterAddress, baud: int) -> Conversation[None]:
        """Have a meter (255: all of them) speak at `baud`, and see that it does; the acknowledge comes at the old one.

        Where it stays silent at the new speed the old one is used again, and `RemoteProtocolError` says so.
        """
        if baud not in BAUD_CI:
            raise ConfigError(f"a bus has {', '.join(map(str, BAUD_CI.values()))} Bd, not {baud}")
        if not self.switchable:
            raise ConfigError("the speed of a converter cannot be changed from here: set it at the converter")
        master, speeds = self.master, self._speeds
        yield from self.send(address, BAUD_CI[baud])
        if address == BROADCAST:
            master.base_speed = baud
            master.speeds.clear()
            speeds.clear()
            return
        target = SELECTED if isinstance(address, SecondaryAddress) else address
        before = master.speed_of(target)
        speeds[address] = master.speeds[target] = baud
        try:
            yield from self._prove_speed(target)
        except (Timeout, RemoteProtocolError):
            speeds[address] = master.speeds[target] = before
            raise RemoteProtocolError(
                f"{named(address)} acknowledged {baud} Bd and is silent there; it goes back by itself in some minutes"
            ) from None

    def _prove_speed(self, target: int) -> Conversation[None]:
        if target != SELECTED:
            yield from self.reset(target)
            return
        # SND_NKE would deselect.
        heard = yield from self.request(SELECTED)
        if heard.kind not in (Kind.ANSWERED, Kind.ACKNOWLEDGED):
            _fail(heard, SELECTED)


def header_address(frame: LongFrame) -> SecondaryAddress | None:
    """Return who sent an answer, as far as its header says: the fixed structure has no manufacturer."""
    if frame.ci == LONG_HEADER and len(frame.data) >= 12:
        return SecondaryAddress(frame.data[:8])
    if frame.ci == FIXED_STRUCTURE and len(frame.data) >= 16:
        return SecondaryAddress(frame.data[:4] + b"\xff" * 4)
    return None


def fits(frame: LongFrame, mask: SecondaryAddress) -> bool:
    """Say whether an answer is of a meter that a mask means, as far as its header says whose it is."""
    identity = identity_of(frame, mask)
    return identity is None or SecondaryAddress(mask.octets).matches(identity)


def identity_of(frame: LongFrame, mask: SecondaryAddress) -> SecondaryAddress | None:
    """Return who answered: by the header, completed by the mask; None where neither knows the number."""
    header = header_address(frame)
    if header is None:
        return mask if "F" not in mask.identification else None
    if header.octets[4:] == b"\xff" * 4:
        return SecondaryAddress(header.octets[:4] + mask.octets[4:])
    return header


def _check_speaker(asked: MeterAddress, frame: LongFrame, before: Sequence[Reply]) -> None:
    """Refuse an answer of somebody else, and an answer of two meters."""
    speaker = header_address(frame)
    if isinstance(asked, SecondaryAddress) and not fits(frame, asked):
        raise RemoteProtocolError(f"{named(asked)} was asked, and {speaker} answers")
    first = header_address(LongFrame(frame.control, frame.address, *before[0], 0)) if before else speaker
    if speaker != first:
        raise RemoteProtocolError(f"{named(asked)}: one answer of two meters, {first} and {speaker}")


def named(address: MeterAddress) -> str:
    """Return what a meter is called in a sentence."""
    if isinstance(address, SecondaryAddress):
        return f"meter {address}"
    return "the selected meter" if address == SELECTED else f"address {address}"


def _fail(heard: Heard, address: MeterAddress) -> NoReturn:
    name = named(address)
    if heard.kind is Kind.SILENCE:
        times = "once" if heard.tries == 1 else f"{heard.tries} times"
        raise Timeout(
            f"{name} does not answer, asked {times}",
            "Is the meter on this bus, is the speed right (baud=), does the converter feed the bus?",
        )
    if heard.kind is Kind.GARBLED:
        shown = heard.octets[:16].hex(" ")
        raise RemoteProtocolError(f"{name}: several meters answer at once, or the line is disturbed ({shown})")
    raise RemoteProtocolError(f"{name} answers with {heard.kind.value} where that is no answer")

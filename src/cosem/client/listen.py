"""Receiving what meters push: frames taken apart, protection opened with the sender's keys, values named.

A machine without input and output: a server feeds it the octets of one connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from cosem.apdu import parse
from cosem.apdu.ciphered import Ciphered, GeneralDed, GeneralGlo
from cosem.apdu.general import GeneralBlockTransfer
from cosem.apdu.habits import refuse
from cosem.apdu.notify import DataNotificationConfirm
from cosem.association.blocks import TAG as BLOCK_TAG
from cosem.association.blocks import BlockTransfer
from cosem.association.initiator import CONFIRMATION_WANTED
from cosem.client.keyfile import DeviceKeys
from cosem.client.presets import preset_readings
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.errors import DecodeError, InvocationCounterError, KeyMissing, RemoteProtocolError, SecurityError
from cosem.link.base import Address, ApduReceived, Discarded, Link
from cosem.pushes.p1 import is_p1, parse_p1
from cosem.pushes.readings import Reading, readings
from cosem.security.control import SecurityControl
from cosem.security.counters import ReceivingCounter
from cosem.security.gcm import unprotect
from cosem.tolerances import TOLERANT, Tolerances

MAX_SENDERS = 100_000
"""System titles whose last counter is kept."""
MAX_DISCARDED = 1000
"""Pieces of noise a listener keeps for whoever asks; the oldest go first."""
MAX_STREAMS = 8
"""Pushes in blocks that one connection may have begun at once, one per pair of access points."""
MAX_PUSH = 1024 * 1024
"""Octets of a push that comes in blocks; a day of every profile of a meter stays below a tenth of it."""


@dataclass(frozen=True, slots=True)
class Push:
    """One notification. `verified` is None where nothing proves its sender; `problem` says why it could not be read.

    `country` tells layouts of pushes apart that look alike. `invoke` is the long invoke-id of a data-notification.
    """

    address: Address
    octets: bytes = field(repr=False)
    system_title: bytes | None = None
    invocation_counter: int | None = None
    verified: bool | None = None
    service: Any = None
    value: Data | None = None
    plain: bytes | None = field(default=None, repr=False)
    problem: str | None = None
    country: str | None = None
    invoke: int | None = None

    @property
    def readings(self) -> list[Reading]:
        """Return the values that the push, or the layout it has, names."""
        if self.value is None:
            return []
        return preset_readings(self.value) or readings(self.value, self.country)


class Senders:
    """The keys of the meters that push, and the last counter of each key. Shared by all connections of a listener."""

    def __init__(self, devices: Iterable[DeviceKeys] = ()) -> None:
        devices = tuple(devices)
        self._by_title: dict[bytes, tuple[DeviceKeys, ...]] = {}
        for item in devices:
            if item.system_title:
                self._by_title[item.system_title] = (*self._by_title.get(item.system_title, ()), item)
        self._others = tuple(item for item in devices if not item.system_title)
        self._counters: dict[tuple[bytes, bytes], ReceivingCounter] = {}

    def renewed(self, devices: Iterable[DeviceKeys]) -> Senders:
        """Return these senders instead; what was heard so far is not heard again."""
        senders = Senders(devices)
        senders._counters.update(self._counters)
        return senders

    def candidates(self, title: bytes) -> tuple[DeviceKeys, ...]:
        """Return the keys to try for a sender: its own, or those that name no meter."""
        return self._by_title.get(title, self._others)

    @property
    def only(self) -> bytes | None:
        """Return the system title of the one sender there is, where there is only one."""
        return next(iter(self._by_title)) if len(self._by_title) == 1 and not self._others else None

    def check(self, title: bytes, counter: int, key: bytes = b"") -> None:
        """Raise `InvocationCounterError` for a counter that came before under this key; changes nothing.

        A meter counts by key: its customer port has keys of its own, and so have broadcasts.
        """
        known = self._counters.get((title, key))
        if known is not None:
            known.check(counter)

    def commit(self, title: bytes, counter: int, key: bytes = b"") -> None:
        """Keep the counter of a push that was accepted. Only those take room, so that nobody can push others out."""
        known = self._counters.get((title, key))
        if known is None:
            if len(self._counters) >= MAX_SENDERS:
                self._counters.pop(next(iter(self._counters)))
            known = self._counters[title, key] = ReceivingCounter()
        known.commit(counter)


class Listener:
    """One connection on which a meter pushes. `tolerances` and `country` are those of senders that no key
    identifies. `confirm`: answer a push that asks for it, in clear; the answer is fetched with `take`. Many meters ask
    on lines that go one way only, so it is not done unasked."""

    def __init__(
        self,
        link: Link,
        senders: Senders | None = None,
        tolerances: Tolerances = TOLERANT,
        country: str | None = None,
        *,
        confirm: bool = False,
    ) -> None:
        self.confirm = confirm
        self.link = link
        self.senders = senders or Senders()
        self.tolerances = tolerances
        self.country = country
        self.discarded: deque[Discarded] = deque(maxlen=MAX_DISCARDED)
        self._streams: dict[Address, BlockTransfer] = {}

    def receive(self, octets: bytes, now: float) -> list[Push]:
        """Take octets and return the notifications that are whole now. Never raises for what was sent."""
        pushes = []
        for event in self.link.receive(octets, now):
            if isinstance(event, ApduReceived):
                push = self._block(event) if event.octets[0] == BLOCK_TAG else self.read(event.address, event.octets)
                if push is not None:
                    pushes.append(push)
                    self._confirm(push, now)
            elif isinstance(event, Discarded):
                self.discarded.append(event)
        return pushes

    def take(self) -> bytes:
        """Return the octets to send back."""
        return self.link.take()

    def _confirm(self, push: Push, now: float) -> None:
        """Tell the meter that its push was read, where it wants to know."""
        wanted = push.invoke is not None and push.invoke & CONFIRMATION_WANTED and push.problem is None
        if self.confirm and wanted:
            self.link.send(push.address, DataNotificationConfirm(b"").encode(push.invoke), now, confirmed=False)

    def _block(self, event: ApduReceived) -> Push | None:
        """Take a block of a general block transfer and return the push that is whole with it.

        Nothing is acknowledged: a stream that a block is missing from ends where the next one begins.
        """
        address, octets = event.address, event.octets
        try:
            block = parse(octets).service
            assert isinstance(block, GeneralBlockTransfer)
            stream = self._streams.get(address)
            if stream is None or stream.begins_anew(block):
                self._streams.pop(address, None)
                if len(self._streams) >= MAX_STREAMS:
                    self._streams.pop(next(iter(self._streams)))
                stream = self._streams[address] = BlockTransfer(1, 0, limit=MAX_PUSH)
            # Acknowledgements of what we never send would end the transfer; they say nothing about the push.
            whole = stream.take(block._replace(block_number_ack=0))
        except (DecodeError, RemoteProtocolError) as error:
            self._streams.pop(address, None)
            return Push(address, octets, problem=str(error))
        if whole is None:
            return None
        del self._streams[address]
        if whole[0] == BLOCK_TAG:
            return Push(address, whole, problem="blocks inside of blocks")
        return self.read(address, whole)

    def read(self, address: Address, apdu: bytes) -> Push:
        """Open and decode one APDU."""
        try:
            service = parse(apdu).service
            if isinstance(service, Ciphered):
                # Forms without a title are opened where there is only one meter they can come from.
                title = self.senders.only
                if title is None:
                    return Push(address, apdu, problem=f"{service.service} names no sender, so no key is known for it")
                return self._protected(address, apdu, title, service.content)
            if not isinstance(service, (GeneralGlo, GeneralDed)):
                return _opened(Push(address, apdu, country=self.country), apdu, self.tolerances, service)
            return self._protected(address, apdu, service.system_title, service.content)
        except DecodeError as error:
            return Push(address, apdu, problem=str(error))

    def _protected(self, address: Address, apdu: bytes, title: bytes, content: bytes) -> Push:
        header = Push(address, apdu, title, int.from_bytes(content[1:5], "big"))
        if len(title) != 8:
            return _with(header, problem=f"a system title of {len(title)} octets")
        broadcast = SecurityControl(content[0]).broadcast
        reasons: list[str] = []
        for device in self.senders.candidates(title):
            keys = device.keys
            key = keys.global_broadcast_encryption_key if broadcast else keys.global_unicast_encryption_key
            if key is None:
                continue
            try:
                self.senders.check(title, header.invocation_counter or 0, key)
                opened = unprotect(
                    key,
                    keys.authentication_key,
                    title,
                    content,
                    allow_unverified=not device.verify,
                )
                country = device.country or self.country
                push = _with(header, verified=opened.verified, country=country)
                push = _opened(push, opened.plain, device.tolerances)
            except InvocationCounterError as error:
                reasons.append(f"a repeat: {error}")
                continue
            except KeyMissing:
                reasons.append("an authentication key is needed, or verify = false in the key file")
                continue
            except (SecurityError, DecodeError) as error:
                reasons.append(str(error))
                continue
            # Only what was read, and opened by a key, moves the counter: anybody can claim a title in plain.
            if opened.control.protection:
                self.senders.commit(title, opened.counter, key)
            return push
        if not reasons:
            return _with(header, problem=f"no key is known for {title.hex()}")
        return _with(header, verified=False, problem=reasons[0])


def _opened(push: Push, octets: bytes, tolerances: Tolerances, service: Any = None) -> Push:
    """Return `push` with what it says. Raises `DecodeError`."""
    if is_p1(octets):
        telegram = parse_p1(octets)
        if telegram.crc_ok is False:
            raise DecodeError("the check sum of the P1 telegram is wrong", len(octets))
        return _with(push, value=axdr.visible_string(telegram.text), plain=octets)
    found = parse(octets)
    service = found.service if service is None else service
    refuse(octets, service, tolerances)
    data = getattr(service, "data", None)
    value = axdr.decode(data) if isinstance(data, bytes) else None
    return _with(push, service=service, value=value, plain=octets, invoke=found.invoke)


def _with(push: Push, **changes: Any) -> Push:
    return replace(push, **changes)

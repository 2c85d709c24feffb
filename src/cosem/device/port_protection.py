"""Behaviour of communication port protection (class 124): a port is locked after failed attempts, longer each time."""

from __future__ import annotations

from typing import Any

from cosem.association.server import Session
from cosem.classes.c124_communication_port_protection import (
    CommunicationPortProtection,
    ProtectionMode,
    ProtectionStatus,
)
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.host import Host
from cosem.link.base import Address
from cosem.obis import Obis, obis
from cosem.results import DataAccessResult

MOST = 0xFFFFFFFF
"""What the counters have room for."""


class PortProtectionBehaviour:
    """Protects the one port that the device has: while it is locked nobody who wants to associate gets an answer.

    After `allowed` failures in a row the port is locked for `initial` seconds; each further failure multiplies that by
    `steepness`, up to `longest`. A success ends the row. What cannot be deciphered
    does not count: it proves no guess at a password. That an open association goes on is our choice.
    """

    def __init__(
        self,
        host: Host,
        port: str | Obis,
        name: str,
        *,
        mode: ProtectionMode = ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS,
        allowed: int = 10,
        initial: int = 60,
        steepness: int = 2,
        longest: int = 3600,
    ) -> None:
        self._host = host
        self.failed = self.cumulative = 0
        self._locked_until = 0
        self.object = host.add(
            CommunicationPortProtection(
                obis(name),
                protection_mode=mode,
                allowed_failed_attempts=allowed,
                initial_lockout_time=initial,
                steepness_factor=steepness,
                max_lockout_time=longest,
                port_reference=bytes(obis(port)),
            )
        )
        host.compute(self.object, 8, lambda: Data(Tag.ENUM, self.status))
        host.compute(self.object, 9, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self.failed))
        host.compute(self.object, 10, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self.cumulative))
        host.handle(self.object, 1, lambda parameter: self.reset())
        host.writers(self.object, {2: self._write_mode})
        host.device.on_opened.append(self._opened)
        host.device.on_authentication_failed.append(self._authentication_failed)
        host.device.closed_to.append(self.closed_to)

    @property
    def status(self) -> int:
        """protection_status of this moment."""
        mode = self.object.protection_mode
        if mode == ProtectionMode.LOCKED:
            return int(ProtectionStatus.LOCKED)
        temporary = mode == ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS and self._host.now < self._locked_until
        return int(ProtectionStatus.TEMPORARILY_LOCKED if temporary else ProtectionStatus.UNLOCKED)

    def closed_to(self, address: Address) -> bool:
        """Whether nobody at `address` is heard."""
        return self.status != ProtectionStatus.UNLOCKED

    def _opened(self, session: Session) -> None:
        """End the row of failures, where the client proved something: who need not would undo what guesses count."""
        if session.profile.mechanism:
            self.failed = 0

    def _authentication_failed(self, session: Session) -> None:
        """Count a wrong password or proof; lock the port where that was one too many."""
        self.failed = min(self.failed + 1, MOST)
        self.cumulative = min(self.cumulative + 1, MOST)
        protection = self.object
        if protection.protection_mode != ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS:
            return
        beyond = self.failed - protection.allowed_failed_attempts
        if beyond >= 0:
            seconds = lockout(
                protection.initial_lockout_time, protection.steepness_factor, protection.max_lockout_time, beyond
            )
            self._locked_until = self._host.now + seconds
            self._host.note(Cause.LOCKED_OUT, port=Obis(protection.port_reference), seconds=seconds)

    def reset(self) -> None:
        """Begin the row anew and unlock what failures locked; what was counted in all stays."""
        self.failed = 0
        self._locked_until = 0

    def _write_mode(self, value: Data) -> DataAccessResult:
        if value.value not in set(ProtectionMode):
            return DataAccessResult.OTHER_REASON
        store: Any = self.object.store
        store.values[2] = value
        return DataAccessResult.SUCCESS


def lockout(initial: int, steepness: int, longest: int, beyond: int) -> int:
    """Return the seconds of the lock after `beyond` failures more than the first that locked."""
    seconds = initial
    for _ in range(beyond):
        if seconds >= longest or steepness <= 1:
            break
        seconds *= steepness
    return min(seconds, longest)

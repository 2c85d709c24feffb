"""What a device does about clients that fail: counted, told as causes, and shut out for a while."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from cosem.association.server import Session
from cosem.device.associations import Association
from cosem.device.causes import Cause
from cosem.device.host import Host
from cosem.errors import (
    CounterExhausted,
    InvocationCounterError,
    KeyMissing,
    SecurityError,
    WeakProtection,
)


@dataclass(frozen=True, slots=True)
class GuardOptions:
    """`authentication_attempts` and `decryption_attempts`: failures in a row after which the event is told.

    `lock_after`: failures in a row of one client to associate after which nobody may associate in its place for
    `lock_time` seconds; 0 never locks. What is open stays open: a lock must not throw out whom it protects.
    """

    authentication_attempts: int = 3
    decryption_attempts: int = 3
    lock_after: int = 10
    lock_time: int = 60


@dataclass(slots=True)
class _Failures:
    authentication: int = 0
    decryption: int = 0
    to_associate: int = 0


class Guard:
    """Watches the clients of one logical device, and its counters."""

    def __init__(self, host: Host, options: GuardOptions | None = None) -> None:
        self.host = host
        self.options = options or GuardOptions()
        self._failures: WeakKeyDictionary[Association, _Failures] = WeakKeyDictionary()
        device = host.device
        device.on_opened.append(self._opened)
        device.on_authentication_failed.append(self._authentication_failed)
        device.on_security_failed.append(self._security_failed)
        device.counters.on_near_end.append(self._near_end)
        for association in host.logical.associations.values():
            self._watch_secret(association)

    def _watch_secret(self, association: Association) -> None:
        """Tell when the secret of an association changes."""
        client = association.spec.client_sap
        association.on_secret.append(lambda: self.host.note(Cause.SECRET_CHANGED, client=client))

    def _opened(self, session: Session) -> None:
        """Forget the failures of a client that got in."""
        association = self._mine(session)
        if association is not None:
            self._failures.pop(association, None)

    def _authentication_failed(self, session: Session) -> None:
        """Count a wrong password or proof."""
        association = self._mine(session)
        if association is None:
            return
        failures = self._failures.setdefault(association, _Failures())
        failures.authentication += 1
        if failures.authentication >= self.options.authentication_attempts:
            self.host.note(Cause.AUTHENTICATION_FAILED, client=session.address.client, times=failures.authentication)
            failures.authentication = 0
        self._failed_to_associate(association, failures)

    def _security_failed(self, session: Session, error: Exception) -> None:
        """Tell of a replay, count what was not deciphered. Too little protection proves no attempt at a key."""
        association = self._mine(session)
        if association is None:
            return
        if isinstance(error, InvocationCounterError):
            self.host.note(Cause.REPLAY, client=session.address.client, counter=error.received)
            return
        if not isinstance(error, SecurityError) or isinstance(error, (WeakProtection, CounterExhausted, KeyMissing)):
            return
        failures = self._failures.setdefault(association, _Failures())
        failures.decryption += 1
        if failures.decryption >= self.options.decryption_attempts:
            self.host.note(Cause.DECRYPTION_FAILED, client=session.address.client, times=failures.decryption)
            failures.decryption = 0
        if not session.status:
            # Of what comes in an open association, anybody on the line may be the sender.
            self._failed_to_associate(association, failures)

    def _failed_to_associate(self, association: Association, failures: _Failures) -> None:
        failures.to_associate += 1
        if self.options.lock_after and failures.to_associate >= self.options.lock_after:
            failures.to_associate = 0
            association.locked_until = self.host.now + self.options.lock_time
            self.host.note(Cause.LOCKED_OUT, client=association.spec.client_sap, seconds=self.options.lock_time)

    def _mine(self, session: Session) -> Association | None:
        association = self.host.device.association_at(session.address)
        return association if association in self.host.logical.associations.values() else None

    def _near_end(self, direction: str, counter: int) -> None:
        self.host.note(Cause.COUNTER_NEAR_END, direction=direction, counter=counter)

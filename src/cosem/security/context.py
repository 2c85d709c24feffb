"""Protection of one association: the keys, titles and counters of both ends, and the one order in which they act.

Receiving: header -> policy -> counter greater than the last (read only) -> cipher and tag -> counter committed ->
plain text parsed. Where no tag was checked (encryption alone) the counter is committed only after the plain text was
parsed.
A failure at any step changes nothing but the failure count.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from cosem.errors import (
    CosemError,
    DecodeError,
    InvocationCounterError,
    KeyMissing,
    LocalProtocolError,
    PolicyViolation,
    SecurityError,
    WeakProtection,
)
from cosem.security.control import (
    AUTHENTICATED,
    AUTHENTICATED_ENCRYPTED,
    BROADCAST,
    COMPRESSED,
    ENCRYPTED,
    SecurityControl,
)
from cosem.security.counters import ReceivingCounter, SendingCounter
from cosem.security.gcm import HEADER_LENGTH, Opened, cipher, protect, unprotect
from cosem.security.keys import Keys
from cosem.security.policy import NOTHING, Policy

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

T = TypeVar("T")

UNICAST, BROADCAST_SET, DEDICATED = "unicast", "broadcast", "dedicated"


@lru_cache(maxsize=16)
def _key_sets(suite: int) -> dict[int, str]:
    """Return the security control octets that may come under `suite`, and the key set each means."""
    return {
        bits | suite | key_bit: key_set
        for bits in (AUTHENTICATED, ENCRYPTED, AUTHENTICATED_ENCRYPTED)
        for key_bit, key_set in ((0, UNICAST), (BROADCAST, BROADCAST_SET))
    }


class SecurityContext:
    """The security of one association, seen from one end.

    `sending` is shared by everything sent under the global unicast key, high level security included. `persist` is
    called with the key set and the counter when a received one is accepted. `failures` counts what was refused.
    """

    def __init__(
        self,
        keys: Keys,
        own_title: bytes,
        peer_title: bytes = b"",
        *,
        suite: int = 0,
        policy: Policy = NOTHING,
        sending: SendingCounter | None = None,
        receiving: ReceivingCounter | None = None,
        receiving_broadcast: ReceivingCounter | None = None,
        persist: Callable[[str, int], None] | None = None,
        allow_unverified: bool = False,
    ) -> None:
        self.keys = keys
        self.own_title = own_title
        self.peer_title = peer_title
        self.suite = suite
        self.policy = policy
        self.sending = sending or SendingCounter()
        self.allow_unverified = allow_unverified
        self.failures = 0
        self._persist = persist
        self._receiving = {
            UNICAST: receiving or ReceivingCounter(),
            BROADCAST_SET: receiving_broadcast or ReceivingCounter(),
            DEDICATED: ReceivingCounter(),
        }
        self._dedicated_sending = SendingCounter(0, 0xFFFFFFFF)
        self._ciphers: dict[str, AESGCM] = {}
        self._key_sets = _key_sets(suite)
        self._before: int | None = None
        self._enclosing: int | None = None

    def __repr__(self) -> str:
        return f"<SecurityContext suite {self.suite}, {self.keys!r}, {self.failures} failures>"

    # --- keys ----------------------------------------------------------------------------------------------

    def use_dedicated_key(self, key: bytes) -> None:
        """Take the dedicated key of this association; its counters begin at 0."""
        self._ciphers[DEDICATED] = cipher(key)
        self._receiving[DEDICATED] = ReceivingCounter()
        self._dedicated_sending = SendingCounter(0, 0xFFFFFFFF)

    def renew(
        self,
        keys: Keys,
        *,
        sending: SendingCounter,
        receiving: ReceivingCounter,
        receiving_broadcast: ReceivingCounter,
        persist: Callable[[str, int], None],
    ) -> None:
        """Take new keys behind the answer to the request under way, which the old ones protect for the last time.

        Where nothing is answered the next request brings them in. Both are done by taking the place of the two methods
        once, so that a context whose keys stay has nothing to ask itself.
        """

        def take() -> None:
            vars(self).pop("protect", None)
            vars(self).pop("open", None)
            self.keys = keys
            self.sending = sending
            self._persist = persist
            self._receiving |= {UNICAST: receiving, BROADCAST_SET: receiving_broadcast}
            self._ciphers = {name: made for name, made in self._ciphers.items() if name == DEDICATED}
            self._before = self._enclosing = None

        def last(*args: Any, **options: Any) -> bytes:
            try:
                return SecurityContext.protect(self, *args, **options)
            finally:
                take()

        def first(*args: Any, **options: Any) -> Any:
            take()
            return SecurityContext.open(self, *args, **options)

        vars(self).update(protect=last, open=first)

    def _cipher(self, key_set: str) -> AESGCM:
        """Make, and keep, the cipher of a key set that was not used before."""
        key, name = {
            UNICAST: (self.keys.global_unicast_encryption_key, "global unicast encryption key"),
            BROADCAST_SET: (self.keys.global_broadcast_encryption_key, "global broadcast encryption key"),
            DEDICATED: (self.keys.dedicated_key, "dedicated key"),
        }[key_set]
        if key is None:
            raise KeyMissing(f"the {name} is needed")
        self._ciphers[key_set] = made = cipher(key)
        return made

    def cipher(self, key_set: str = UNICAST) -> AESGCM:
        """Return the cipher of a key set. Raises `KeyMissing`."""
        return self._ciphers.get(key_set) or self._cipher(key_set)

    def receiving(self, key_set: str = UNICAST) -> ReceivingCounter:
        """Return the counter of what was accepted under `key_set`."""
        return self._receiving[key_set]

    # --- sending -------------------------------------------------------------------------------------------

    def protect(self, plain: bytes, control: int, *, dedicated: bool = False, broadcast: bool = False) -> bytes:
        """Return SC || IC || text [|| tag] under the next counter. `control` holds the bits 10h and 20h.

        Raises `KeyMissing`, `CounterExhausted`, and `LocalProtocolError` without a lease or without any protection.
        """
        if not control & AUTHENTICATED_ENCRYPTED:
            raise LocalProtocolError("a ciphered APDU without any protection is never sent")
        control = control & AUTHENTICATED_ENCRYPTED | self.suite
        key_set, sending = UNICAST, self.sending
        if dedicated:
            key_set, sending = DEDICATED, self._dedicated_sending
        elif broadcast:
            control |= BROADCAST
            key_set = BROADCAST_SET
        gcm = self._ciphers.get(key_set) or self._cipher(key_set)
        return protect(gcm, self.keys.authentication_key, self.own_title, sending.take(), control, plain)

    # --- receiving -----------------------------------------------------------------------------------------

    def open(
        self,
        content: bytes,
        accept: Callable[[bytes], T],
        *,
        request: bool,
        title: bytes | None = None,
        dedicated: bool = False,
        broadcast: bool = False,
        policy: Policy | None = None,
    ) -> tuple[T, Opened]:
        """Open what the peer sent and return what `accept` makes of the plain text, with the header.

        `title` is the one the APDU itself carries, if it does; it must be the peer's. `broadcast` says that it came
        unconfirmed: only then may it use the broadcast key, which a whole group of meters knows. Raises
        `PolicyViolation`, `InvocationCounterError`, `TagMismatch`, `KeyMissing`, or what `accept` raises (a
        `DecodeError`).
        """
        try:
            if len(content) < HEADER_LENGTH:
                raise DecodeError("a security header has 5 octets", len(content), ("security-header",))
            control = content[0]
            key_set = self._key_sets.get(control) or self._refuse_control(control)
            if dedicated:
                key_set = DEDICATED
            elif key_set == BROADCAST_SET and not broadcast:
                raise PolicyViolation("the broadcast key is not for what one peer alone was sent")
            needed = (policy or self.policy)[0 if request else 1]
            if control & needed != needed:
                raise WeakProtection(f"security control {control:02X} is less than this association demands")
            peer_title = self.peer_title
            if title and peer_title and title != peer_title:
                raise PolicyViolation("the system title is not the peer's")
            counter = int.from_bytes(content[1:5], "big")
            receiving = self._receiving[key_set]
            if receiving.last is not None and counter <= receiving.last:
                raise InvocationCounterError(counter, receiving.smallest)
            opened = unprotect(
                self._ciphers.get(key_set) or self._cipher(key_set),
                self.keys.authentication_key,
                title or peer_title,
                content,
                allow_unverified=self.allow_unverified,
            )
            if opened[3]:
                self._commit(key_set, receiving, counter)
                return accept(opened[0]), opened
            answer = accept(opened[0])
            self._commit(key_set, receiving, counter)
            return answer, opened
        except (SecurityError, DecodeError):
            self.failures += 1
            raise

    def _refuse_control(self, control: int) -> str:
        """Say what is wrong with a security control octet that is none of this association's."""
        if control & 0x0F != self.suite:
            raise PolicyViolation(f"security suite {control & 0x0F}, this association uses {self.suite}")
        if control & COMPRESSED:
            raise PolicyViolation("compressed APDUs (V.44) are not supported")
        # No protection inside a ciphered APDU: a downgrade that no policy may let through.
        raise PolicyViolation("a ciphered APDU without any protection")

    def _commit(self, key_set: str, receiving: ReceivingCounter, counter: int) -> None:
        """Accept a counter that was checked when the APDU came in."""
        if key_set == UNICAST:
            self._before, self._enclosing = receiving.last, counter
        receiving.last = counter
        if self._persist is not None and key_set != DEDICATED:
            self._persist(key_set, counter)

    def check_proof_counter(self, counter: int) -> None:
        """Check the counter of a GMAC proof of high level security that came inside a protected APDU, or plain.

        The proof was made before the APDU around it, so its counter is older: it must be greater than the last one
        accepted *before* that APDU, and another than that APDU's own. Raises `InvocationCounterError`.
        """
        receiving = self._receiving[UNICAST]
        if self._enclosing is None:
            receiving.check(counter)
            return
        if (self._before is not None and counter <= self._before) or counter == self._enclosing:
            raise InvocationCounterError(counter, receiving.smallest)

    def commit_proof_counter(self, counter: int) -> None:
        """Accept the counter of a proof that was right."""
        receiving = self._receiving[UNICAST]
        if receiving.last is None or counter > receiving.last:
            self._commit(UNICAST, receiving, counter)
            self._enclosing = None
        else:
            # Older than the APDU around it: what is left to refuse is the same proof once more.
            self._before = counter

    def refuse(self, error: CosemError) -> CosemError:
        """Count `error`, met by the association outside of `open`, and return it."""
        self.failures += 1
        return error


__all__ = ["BROADCAST_SET", "DEDICATED", "UNICAST", "Opened", "SecurityContext", "SecurityControl"]

"""High level security: how both ends prove that they hold the secret (Green Book ed. 9, 9.2.2.2.2.4).

Pass 3 proves f(StoC) by the client, pass 4 f(CtoS) by the server. A proof is made over the challenge of the *other*
end; whoever sends its own challenge back, or our own proof, is a mirror and is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from enum import IntEnum

from cosem.errors import ConfigError, HlsFailed, KeyMissing
from cosem.security.context import SecurityContext
from cosem.security.control import AUTHENTICATED
from cosem.security.gcm import HEADER_LENGTH, TAG_LENGTH

MIN_CHALLENGE, MAX_CHALLENGE = 8, 64


class Mechanism(IntEnum):
    """Authentication mechanism id: the last arc of the mechanism name."""

    LOWEST = 0
    LOW = 1
    HLS = 2
    HLS_MD5 = 3
    HLS_SHA1 = 4
    HLS_GMAC = 5
    HLS_SHA256 = 6


WEAK = frozenset({Mechanism.HLS_MD5, Mechanism.HLS_SHA1})
"""Off unless a user names them: their hashes are broken, the standard keeps them for old meters."""

ManufacturerProof = Callable[[bytes, bytes], bytes]
"""Mechanism 2: (challenge, secret) -> proof, as the manufacturer defines it."""


class HlsIdentity:
    """What the proofs of one association are made of. `own` is this end, `peer` the other.

    `secret` serves mechanisms 2, 3, 4 and 6; `context` (keys, titles, counter) serves 5, its titles also 6.
    """

    def __init__(
        self,
        mechanism: int,
        *,
        own_challenge: bytes,
        peer_challenge: bytes,
        own_title: bytes = b"",
        peer_title: bytes = b"",
        secret: bytes | None = None,
        context: SecurityContext | None = None,
        manufacturer: ManufacturerProof | None = None,
    ) -> None:
        self.mechanism = mechanism
        self.own_challenge = own_challenge
        self.peer_challenge = peer_challenge
        self.own_title = own_title
        self.peer_title = peer_title
        self._secret = secret
        self._context = context
        self._manufacturer = manufacturer
        self._sent: bytes | None = None

    def __repr__(self) -> str:
        return f"<HlsIdentity mechanism {self.mechanism}>"

    def check_challenge(self) -> None:
        """Refuse a challenge of the peer that is our own, or of a length the standard does not know."""
        if hmac.compare_digest(self.own_challenge, self.peer_challenge):
            raise HlsFailed("the peer sent our own challenge back")
        if not MIN_CHALLENGE <= len(self.peer_challenge) <= MAX_CHALLENGE:
            raise HlsFailed(f"a challenge has 8 to 64 octets, not {len(self.peer_challenge)}")

    def proof(self) -> bytes:
        """Return our proof over the peer's challenge. Raises `KeyMissing`."""
        if self.mechanism == Mechanism.HLS_GMAC:
            made = self._gmac(self.peer_challenge)
        else:
            made = self._digest(self.peer_challenge, self.own_challenge, self.own_title, self.peer_title)
        self._sent = made
        return made

    def check(self, proof: bytes) -> None:
        """Check the peer's proof over our challenge, in constant time.

        Raises `HlsFailed` or `InvocationCounterError`; nothing but the counter of a right proof is kept.
        """
        if self._sent is not None and hmac.compare_digest(self._sent, proof):
            raise HlsFailed("the peer sent our own proof back")
        if self.mechanism == Mechanism.HLS_GMAC:
            self._check_gmac(proof)
            return
        expected = self._digest(self.own_challenge, self.peer_challenge, self.peer_title, self.own_title)
        if not hmac.compare_digest(expected, proof):
            raise HlsFailed("the peer's proof is wrong")

    def _digest(self, challenge: bytes, other: bytes, prover: bytes, verifier: bytes) -> bytes:
        """Return the proof that `prover` makes over `challenge`; `other` is the prover's own challenge."""
        if self._secret is None:
            raise KeyMissing("the secret of high level security is needed")
        if self.mechanism == Mechanism.HLS:
            if self._manufacturer is None:
                raise ConfigError("mechanism 2 is defined by the manufacturer: give its function")
            return self._manufacturer(challenge, self._secret)
        import hashlib

        if self.mechanism == Mechanism.HLS_MD5:
            return hashlib.md5(challenge + self._secret).digest()  # noqa: S324 - named by the user, see WEAK
        if self.mechanism == Mechanism.HLS_SHA1:
            return hashlib.sha1(challenge + self._secret).digest()  # noqa: S324 - named by the user, see WEAK
        if self.mechanism == Mechanism.HLS_SHA256:
            return hashlib.sha256(self._secret + prover + verifier + challenge + other).digest()
        raise ConfigError(f"authentication mechanism {self.mechanism} is not known")

    # --- GMAC ----------------------------------------------------------------------------------------------

    def _gmac(self, challenge: bytes) -> bytes:
        context = self._with_context()
        counter = context.sending.take()
        control = AUTHENTICATED | context.suite
        return gmac(context, context.own_title, control, counter, challenge)

    def _check_gmac(self, proof: bytes) -> None:
        context = self._with_context()
        if len(proof) != HEADER_LENGTH + TAG_LENGTH:
            raise context.refuse(HlsFailed(f"a GMAC proof has 17 octets, not {len(proof)}"))
        control, counter = proof[0], int.from_bytes(proof[1:5], "big")
        if control != AUTHENTICATED | context.suite:
            raise context.refuse(HlsFailed(f"a GMAC proof is authenticated only, not {control:02X}"))
        context.check_proof_counter(counter)
        expected = gmac(context, context.peer_title, control, counter, self.own_challenge)
        if not hmac.compare_digest(expected, proof):
            raise context.refuse(HlsFailed("the peer's proof is wrong"))
        context.commit_proof_counter(counter)

    def _with_context(self) -> SecurityContext:
        if self._context is None:
            raise KeyMissing("GMAC needs the encryption key, the authentication key and both system titles")
        return self._context


def gmac(context: SecurityContext, title: bytes, control: int, counter: int, challenge: bytes) -> bytes:
    """Return SC || IC || tag over SC || AK || challenge."""
    keys = context.keys
    if keys.global_unicast_encryption_key is None or keys.authentication_key is None:
        raise KeyMissing("GMAC needs the global unicast encryption key and the authentication key")
    if len(title) != 8:
        raise KeyMissing("GMAC needs the system titles of both ends")
    head = bytes((control,)) + counter.to_bytes(4, "big")
    nonce = title + head[1:]
    tag = context.cipher().encrypt(nonce, b"", head[:1] + keys.authentication_key + challenge)
    return head + tag[:TAG_LENGTH]


def require_mechanism(mechanism: int, allowed: frozenset[int] | None = None) -> Mechanism:
    """Return the mechanism; raise `ConfigError` for an unknown one and for a weak one nobody named."""
    try:
        known = Mechanism(mechanism)
    except ValueError:
        raise ConfigError(f"authentication mechanism {mechanism} is not supported") from None
    if known in WEAK and (allowed is None or known not in allowed):
        raise ConfigError(f"{known.name} is broken and off unless it is named")
    return known


__all__ = [
    "MAX_CHALLENGE",
    "MIN_CHALLENGE",
    "WEAK",
    "HlsIdentity",
    "Mechanism",
    "gmac",
    "require_mechanism",
]

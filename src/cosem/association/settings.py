"""How the initiating side wants to associate, and how patient it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cosem.association.blocks import MAX_WINDOW
from cosem.conformance_block import LN_CORE, SN_CORE, Conformance
from cosem.errors import ConfigError
from cosem.link.base import Address
from cosem.security.hls import ManufacturerProof, Mechanism, require_mechanism
from cosem.security.keys import Keys
from cosem.tolerances import TOLERANT, Tolerances

CIPHERINGS = ("glo", "ded", "general")
REFERENCING = ("ln", "sn")
AUTHENTICATION = {
    "none": 0,
    "low": 1,
    "high": 2,
    "high-md5": 3,
    "high-sha1": 4,
    "high-gmac": 5,
    "high-sha256": 6,
}
"""Authentication mechanisms by the words that URLs and models of devices have for them."""
SECURITY = {"none": 0x00, "auth": 0x10, "enc": 0x20, "both": 0x30}
"""Protection by such words, as bits of the security control."""
NO_KEYS = Keys()


@dataclass(slots=True)
class AssociationSettings:
    """One association as the client asks for it.

    `protection` is what requests carry: security control bits 10h (authenticated) and 20h (encrypted). A `ciphered`
    application context (name 3) is used where it is not 0, or where asked for. `ciphering` chooses glo-* APDUs, ded-*
    APDUs under a dedicated key made for this association, or general-glo ones. `lease` returns a persisted block of
    invocation counters ``(first, behind the last)`` for a number asked; it is called by the driver, never inside the
    machine. `block` is such a block that is persisted already: the first association uses it up, nothing is saved for
    it. `allow_unverified` opens answers without an authentication key.

    A `pre_established` association is there without an AARQ; `max_pdu_size_of_peer` is what its server takes, which no
    AARE tells. `broadcast` protects under the broadcast key: to all, and nothing is answered. `block_window`,
    `block_timeout` and `block_retries` are those of general block transfer: blocks taken in a row (1 to 63), seconds
    of silence after which the last ones are repeated, and how often. `confirm_notifications` answers a
    data-notification that asks for it. `referencing` is "ln" (logical names) or "sn" (short names), where
    `conformance` without a value of its own becomes `SN_CORE`. `tolerances`: the habits of this meter's APDUs that are
    put up with.
    """

    client_sap: int = 16
    server_sap: int = 1
    physical: int | None = None
    mechanism: int = 0
    secret: bytes | None = field(default=None, repr=False)
    ciphered: bool | None = None
    protection: int = 0
    ciphering: str = "glo"
    suite: int = 0
    keys: Keys = NO_KEYS
    system_title: bytes = b""
    meter_system_title: bytes = b""
    conformance: Conformance = LN_CORE
    max_pdu_size: int = 65535
    user_id: int | None = None
    lease: Callable[[int], tuple[int, int]] | None = None
    block: tuple[int, int] | None = None
    manufacturer: ManufacturerProof | None = None
    weak_mechanisms: frozenset[int] = frozenset()
    challenge_length: int = 16
    allow_unverified: bool = False
    response_timeout: float = 10.0
    connect_timeout: float = 10.0
    release_timeout: float = 3.0
    pre_established: bool = False
    max_pdu_size_of_peer: int = 0
    broadcast: bool = False
    block_window: int = 8
    block_timeout: float = 3.0
    block_retries: int = 3
    confirm_notifications: bool = False
    referencing: str = "ln"
    tolerances: Tolerances = TOLERANT

    def __post_init__(self) -> None:
        require_mechanism(self.mechanism, self.weak_mechanisms)
        if self.ciphering not in CIPHERINGS:
            raise ConfigError(f"ciphering is one of {', '.join(CIPHERINGS)}, not {self.ciphering!r}")
        if self.suite != 0:
            raise ConfigError(f"security suite {self.suite} is not supported yet, suite 0 is")
        if self.ciphered is None:
            self.ciphered = bool(self.protection)
        if not self.ciphered and self.protection:
            raise ConfigError("protected requests need the application context with ciphering")
        if self.referencing not in REFERENCING:
            raise ConfigError(f"referencing is one of {', '.join(REFERENCING)}, not {self.referencing!r}")
        if self.referencing == "sn" and self.conformance == LN_CORE:
            self.conformance = SN_CORE
        if self.broadcast and not self.pre_established:
            raise ConfigError("what goes to all needs a pre-established association")
        if not 1 <= self.block_window <= MAX_WINDOW:
            raise ConfigError(
                f"a window of general block transfer has 1 to {MAX_WINDOW} blocks, not {self.block_window}"
            )
        if not 8 <= self.challenge_length <= 64:
            raise ConfigError(f"a challenge has 8 to 64 octets, not {self.challenge_length}")
        if (self.ciphered or self.mechanism == Mechanism.HLS_GMAC) and len(self.system_title) != 8:
            raise ConfigError("a client system title of 8 octets is needed for ciphering and for GMAC")
        if self.mechanism in (1, 2, 3, 4, 6) and self.secret is None:
            what = "a password" if self.mechanism == 1 else "the secret of high level security"
            raise ConfigError(f"authentication mechanism {self.mechanism} needs {what}")

    def take_block(self) -> tuple[int, int] | None:
        """Return the block that is persisted already, once."""
        block, self.block = self.block, None
        return block

    @property
    def context(self) -> int:
        """Return the application context name: 1 logical names, 2 short names, 3 and 4 the same with ciphering."""
        return (2 if self.referencing == "sn" else 1) + (2 if self.ciphered else 0)

    @property
    def address(self) -> Address:
        """Return the access points of this association."""
        return Address(self.client_sap, self.server_sap, self.physical)

"""What the responding side asks of the objects behind it. `cosem.device` implements these protocols.

The responder owns everything between octets and services: association states, security, block transfer, the
conformance block and the PDU size. The object server owns what objects are and who may do what with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from cosem.conformance_block import LN_CORE, Conformance
from cosem.link.base import Address

if TYPE_CHECKING:
    from cosem.apdu.base import AttributeDescriptor, MethodDescriptor, SelectiveAccess
    from cosem.results import ActionResult, DataAccessResult
    from cosem.security.context import SecurityContext
    from cosem.security.hls import ManufacturerProof


ALL_STATIONS: Final = frozenset((0x7F, 0x3FFF))
"""Server SAPs that everybody listens to: of the wrapper and one-octet HDLC addresses, of two-octet ones."""


@dataclass(slots=True)
class AssociationProfile:
    """How one logical device meets one client SAP: what it demands and offers at association time.

    `mechanism` is the authentication mechanism id (0 lowest, 1 low, 2 to 6 high); `secret` is the password or HLS
    secret (never shown). `ciphered` says whether the application context is the one with ciphering (name 3) or the
    plain one (name 1). `pre_established` associations are there without an AARQ and cannot be released; where they are
    ciphered, `client_system_title` is the title of their client, which no AARQ tells. `referencing` is "ln" or "sn".
    `locked`: nobody may associate now, after too many failures.
    """

    client_sap: int
    server_sap: int
    mechanism: int = 0
    secret: bytes | None = field(default=None, repr=False)
    ciphered: bool = False
    system_title: bytes = b""
    manufacturer: ManufacturerProof | None = field(default=None, repr=False)
    conformance: Conformance = LN_CORE
    max_pdu_size: int = 1024
    pre_established: bool = False
    client_system_title: bytes = b""
    referencing: str = "ln"
    locked: bool = False

    @property
    def context(self) -> int:
        """Return the application context name: 1 logical names, 2 short names, 3 and 4 the same with ciphering."""
        return (2 if self.referencing == "sn" else 1) + (2 if self.ciphered else 0)


@dataclass(slots=True)
class Session:
    """One association as the objects see it; classes 15 and 17 show it, access rights depend on it.

    `status` is the association_status of class 15 (0 non-associated, 1 pending, 2 associated). `request_protection`
    holds the security control octet of the request being served (0 for plain). `state` is the object server's own.
    `end` ends the session at once, as a device does that restarts.
    """

    profile: AssociationProfile
    address: Address
    status: int = 0
    conformance: Conformance = Conformance(0)
    client_max_pdu_size: int = 0
    client_system_title: bytes = b""
    request_protection: int = 0
    user_id: int | None = None
    state: object | None = None
    end: Callable[[], None] | None = field(default=None, repr=False, compare=False)


class ObjectServer(Protocol):
    """Objects of one physical device. All octets are A-XDR encoded Data."""

    def association_profile(self, address: Address) -> AssociationProfile | None:
        """Return how `address` may associate, or None where that client or server SAP does not exist (no answer)."""

    def security_context(self, profile: AssociationProfile, client_title: bytes) -> SecurityContext | None:
        """Return the security of a new association, or None where the profile has none.

        Counters belong to the device: the same ones come back for the same key and client title.
        """

    def opened(self, session: Session) -> None:
        """Learn that `session` reached status 2."""

    def closed(self, session: Session) -> None:
        """Learn that `session` ended, however that happened."""

    def authentication_failed(self, session: Session) -> None:
        """Learn of a wrong password or HLS proof (events, lock-out)."""

    def security_failed(self, session: Session, error: Exception) -> None:
        """Learn of a wrong tag, replayed counter or violated policy (events, counters)."""

    def notification_confirmed(self, session: Session, invoke: int) -> None:
        """Learn that the client has the data-notification with this long invoke-id."""

    def get(
        self, session: Session, target: AttributeDescriptor, selection: SelectiveAccess | None
    ) -> bytes | DataAccessResult:
        """Read one attribute."""

    def set(
        self, session: Session, target: AttributeDescriptor, selection: SelectiveAccess | None, data: bytes
    ) -> DataAccessResult:
        """Write one attribute."""

    def action(
        self, session: Session, target: MethodDescriptor, data: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        """Invoke one method; the second element is the return value, if there is one."""

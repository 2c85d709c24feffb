"""What all APDUs have in common, and the small types several of them use.

A *service* carries no invoke-id: `encode(invoke)` puts it in, `cosem.apdu.parse` hands it back beside the service.
Fields that are `Data` in the ASN.1 hold the A-XDR octets of the value (type `bytes`, named `data`), so that a
profile of thousands of rows is decoded once, by whoever knows its layout; `cosem.codec.axdr.decode` makes values.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from cosem.obis import Obis


class AttributeDescriptor(NamedTuple):
    """Cosem-Attribute-Descriptor: class id, logical name, attribute number (signed; 0 means all)."""

    class_id: int
    instance: Obis
    attribute: int


class MethodDescriptor(NamedTuple):
    """Cosem-Method-Descriptor: class id, logical name, method number."""

    class_id: int
    instance: Obis
    method: int


class SelectiveAccess(NamedTuple):
    """Selective-Access-Descriptor: selector and the A-XDR octets of its parameters."""

    selector: int
    parameters: bytes


@runtime_checkable
class Service(Protocol):
    """One APDU without its invoke-id.

    `service` is the name used by ``cosem decode`` (``get-request-normal``), `tag` the first octet. A class is
    `confirmed` when an answer to it is expected by its nature.
    """

    service: ClassVar[str]
    tag: ClassVar[int]

    def encode(self, invoke: int | None = None) -> bytes:
        """Return the octets; `invoke` is Invoke-Id-And-Priority (one octet) or Long-Invoke-Id-And-Priority (four).

        It is needed by, and only by, the families that have one.
        """


class Parsed(NamedTuple):
    """What `cosem.apdu.parse` returns. `invoke` is None for families that have none."""

    invoke: int | None
    service: Any

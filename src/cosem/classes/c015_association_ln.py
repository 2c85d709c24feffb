"""Association LN (class 15): what one client sees of a logical device, with logical name referencing."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from operator import index
from typing import Generic, NamedTuple, TypeVar

from cosem.classes.access import ObjectListElement, ObjectListElementType, object_id
from cosem.classes.common import named_user, user
from cosem.classes.model import InterfaceClass, S, Selector, attribute, method
from cosem.classes.types import (
    DataType,
    OpenEnum,
    StructureType,
    TypeMismatch,
    array,
    bit_string,
    enum,
    integer,
    logical_name,
    long_unsigned,
    mapped,
    null_data,
    octet_string,
    structure,
    unsigned,
)
from cosem.codec.axdr import Data, Tag
from cosem.conformance_block import Conformance


class AssociationStatus(OpenEnum):
    """State of the association."""

    NON_ASSOCIATED = 0
    ASSOCIATION_PENDING = 1
    ASSOCIATED = 2


class AssociatedPartners(NamedTuple):
    """Service access points of the two partners: client 0 to 7Fh, server 0 to 3FFFh."""

    client_SAP: int
    server_SAP: int


class ApplicationContextName(NamedTuple):
    """Object identifier of the application context; the last element is the context itself (Green Book 9.4.2.2)."""

    joint_iso_ctt_element: int = 2
    country_element: int = 16
    country_name_element: int = 756
    identified_organization_element: int = 5
    DLMS_UA_element: int = 8
    application_context_element: int = 1
    context_id_element: int = 1


class AuthenticationMechanismName(NamedTuple):
    """Object identifier of the authentication mechanism; the last element is the mechanism (Green Book 9.4.2.2)."""

    joint_iso_ctt_element: int = 2
    country_element: int = 16
    country_name_element: int = 756
    identified_organization_element: int = 5
    DLMS_UA_element: int = 8
    authentication_mechanism_name_element: int = 2
    mechanism_id_element: int = 0


class XDLMSContextInfo(NamedTuple):
    """What was negotiated. `cyphering_info` holds the dedicated key while associated."""

    conformance: Conformance
    max_receive_pdu_size: int
    max_send_pdu_size: int
    dlms_version_number: int = 6
    quality_of_service: int = 0
    cyphering_info: bytes = b""

    def __repr__(self) -> str:
        return f"XDLMSContextInfo({self.conformance!r}, {self.max_receive_pdu_size}, {self.max_send_pdu_size}, ...)"


N = TypeVar("N", bound=tuple[int, ...])


class ObjectNameType(DataType[N], Generic[N]):
    """An object identifier of seven arcs: as structure, and from version 1 on as octet-string of its BER contents.

    Both forms are read in every version, because meters do not keep to theirs.
    """

    __slots__ = ("octets", "shape")

    def __init__(self, shape: StructureType[N], *, octets: bool) -> None:
        notation = f"choice{{{shape.notation}, octet-string(7)}}" if octets else shape.notation
        super().__init__(notation, Tag.STRUCTURE, *((Tag.OCTET_STRING,) if octets else ()))
        self.shape = shape
        self.octets = octets

    @property
    def declared(self) -> StructureType[N]:
        """Return the structure, which is what descriptions tell."""
        return self.shape

    def _decode(self, data: Data) -> N:
        if data.tag is not Tag.OCTET_STRING:
            return self.shape.from_data(data)
        arcs = _arcs(data.value)
        if len(arcs) != len(self.shape.fields):
            raise self._mismatch(data)
        return self.shape.made(*arcs)

    def _check(self, data: Data) -> None:
        if data.tag is not Tag.OCTET_STRING:
            self.shape.check(data)
        elif not self.octets or len(_arcs(data.value)) != len(self.shape.fields):
            raise self._mismatch(data)

    def _encode(self, value: N, like: Data | None) -> Data:
        if self.octets and like is not None and like.tag is Tag.OCTET_STRING:
            self.shape.to_data(value)  # is it an object identifier of the right number of arcs at all?
            return Data(Tag.OCTET_STRING, _contents(tuple(value)))
        return self.shape.to_data(value, like)


def _arcs(octets: bytes) -> tuple[int, ...]:
    """Return the arcs of a BER object identifier's contents, () where they are cut off or too many."""
    values = []
    value = 0
    for octet in octets[:32]:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            values.append(value)
            value = 0
    if not values or len(octets) > 32 or octets[-1] & 0x80:
        return ()
    first = min(values[0] // 40, 2)
    return (first, values[0] - 40 * first, *values[1:])


def _contents(arcs: tuple[int, ...]) -> bytes:
    """Return the BER contents of an object identifier."""
    octets = bytearray()
    for arc in (arcs[0] * 40 + arcs[1], *arcs[2:]):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        octets += bytes(reversed(groups))
    return bytes(octets)


_context_name = structure(
    ApplicationContextName,
    joint_iso_ctt_element=unsigned,
    country_element=unsigned,
    country_name_element=long_unsigned,
    identified_organization_element=unsigned,
    DLMS_UA_element=unsigned,
    application_context_element=unsigned,
    context_id_element=unsigned,
)
_mechanism_name = structure(
    AuthenticationMechanismName,
    joint_iso_ctt_element=unsigned,
    country_element=unsigned,
    country_name_element=long_unsigned,
    identified_organization_element=unsigned,
    DLMS_UA_element=unsigned,
    authentication_mechanism_name_element=unsigned,
    mechanism_id_element=unsigned,
)
conformance_bits = mapped(
    bit_string(24), lambda bits: Conformance(int(bits, 2)), lambda conformance: f"{index(conformance):024b}"
)
_partners = structure(AssociatedPartners, client_SAP=integer, server_SAP=long_unsigned)
_context_info = structure(
    XDLMSContextInfo,
    conformance=conformance_bits,
    max_receive_pdu_size=long_unsigned,
    max_send_pdu_size=long_unsigned,
    dlms_version_number=unsigned,
    quality_of_service=integer,
    cyphering_info=octet_string(),
)

without_rights = Selector(1, "full_list", null_data, "the whole list without access rights")
by_class = Selector(2, "class_list", array(long_unsigned), "the objects of these classes, without access rights")
by_object_ids = Selector(3, "object_id_list", array(object_id), "these objects, with access rights")
by_object_id = Selector(4, "object_id", object_id, "this object, with access rights")
_SELECTORS = (without_rights, by_class, by_object_ids, by_object_id)

_ELEMENTS = tuple(ObjectListElementType(version) for version in range(4))


class AssociationLNV0(InterfaceClass[S], class_id=15, version=0):
    """The objects that a client sees and what was negotiated with it (Blue Book ed. 9, 4.4.4)."""

    object_list = attribute(2, array(_ELEMENTS[0]), "objects and access rights", static=True, selectors=_SELECTORS)
    associated_partners_id = attribute(3, _partners, "service access points of the partners", static=True)
    application_context_name = attribute(
        4, ObjectNameType(_context_name, octets=False), "referencing and ciphering", static=True
    )
    xDLMS_context_info = attribute(5, _context_info, "what was negotiated", static=True)
    authentication_mechanism_name = attribute(
        6, ObjectNameType(_mechanism_name, octets=False), "how the partners prove who they are", static=True
    )
    LLS_secret = attribute(7, octet_string(), "password of low level security", static=True)
    association_status = attribute(8, enum(AssociationStatus), "state of the association")

    reply_to_HLS_authentication = method(
        1, octet_string(), "takes the client's proof, returns the server's", returns=octet_string(), sn_offset=0x60
    )
    change_HLS_secret = method(2, octet_string(), "replaces the secret of high level security", sn_offset=0x68)
    add_object = method(3, _ELEMENTS[0], "adds an object to the list", sn_offset=0x70)
    remove_object = method(4, _ELEMENTS[0], "takes an object off the list", sn_offset=0x78)


class AssociationLNV1(AssociationLNV0[S], class_id=15, version=1):
    """Adds authenticated access modes and the reference to the security setup (Blue Book ed. 10, 4.4.4)."""

    object_list = attribute(2, array(_ELEMENTS[1]), "objects and access rights", static=True, selectors=_SELECTORS)
    application_context_name = attribute(
        4, ObjectNameType(_context_name, octets=True), "referencing and ciphering", static=True
    )
    authentication_mechanism_name = attribute(
        6, ObjectNameType(_mechanism_name, octets=True), "how the partners prove who they are", static=True
    )
    security_setup_reference = attribute(9, logical_name, "logical name of the security setup", static=True)

    add_object = method(3, _ELEMENTS[1], "adds an object to the list", sn_offset=0x70)
    remove_object = method(4, _ELEMENTS[1], "takes an object off the list", sn_offset=0x78)


class AssociationLNV2(AssociationLNV1[S], class_id=15, version=2):
    """Adds users; the secret serves low and high level security (Blue Book ed. 11, 4.4.4)."""

    secret = attribute(7, octet_string(), "secret of low or high level security", static=True)
    user_list = attribute(10, array(user), "users that may associate", static=True, default=())
    current_user = attribute(11, user, "user of the association")

    add_user = method(5, named_user, "adds a user", sn_offset=0x80)
    remove_user = method(6, named_user, "removes a user", sn_offset=0x88)


class AssociationLN(AssociationLNV2[S], class_id=15, version=3):
    """Access rights become bit masks with the protection of requests and responses (Blue Book ed. 12, 4.4.4)."""

    object_list = attribute(2, array(_ELEMENTS[3]), "objects and access rights", static=True, selectors=_SELECTORS)

    add_object = method(3, _ELEMENTS[3], "adds an object to the list", sn_offset=0x70)
    remove_object = method(4, _ELEMENTS[3], "takes an object off the list", sn_offset=0x78)


def read_object_list(data: Data) -> tuple[ObjectListElement, ...]:
    """Return an object list of whatever version it is. Raises `TypeMismatch` where it is none.

    Modes 0 to 6 also fit a bit mask: that rights are masks is told by the list's own entry for the association.
    """
    for cls in (AssociationLN, AssociationLNV2, AssociationLNV1, AssociationLNV0):
        try:
            elements = cls.object_list.type.from_data(data)
        except TypeMismatch:
            if cls is AssociationLNV0:
                raise
            continue
        own = next((item for item in elements if item.class_id == 15), None)
        if cls is AssociationLN and (own is None or own.version < 3):
            continue
        break
    return elements

"""Association SN (class 12): what one client sees of a logical device, with short name referencing."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.access import AttributeAccess, MethodAccess, ObjectListElement, object_id, rights_of
from cosem.classes.common import attribute_reference, named_user, user
from cosem.classes.model import InterfaceClass, S, Selector, attribute, method, reserved
from cosem.classes.types import (
    DataType,
    any_data,
    array,
    bit_string,
    logical_name,
    long,
    long_unsigned,
    mapped,
    octet_string,
    structure,
    trigger,
    unsigned,
)
from cosem.obis import Obis


class ShortNameObject(NamedTuple):
    """One object that an association sees; `base_name` (0 to FFFFh) is the short name of its logical name."""

    base_name: int
    class_id: int
    version: int
    logical_name: Obis

    @property
    def element(self) -> ObjectListElement:
        """Return the object as Association LN lists it, without access rights."""
        return ObjectListElement(self.class_id, self.version, self.logical_name)


class ShortNameRights(NamedTuple):
    """The rights on the attributes and methods of the object with that base name."""

    base_name: int
    attribute_access: tuple[AttributeAccess, ...] = ()
    method_access: tuple[MethodAccess, ...] = ()


class AttributesAndMethods(NamedTuple):
    """What an object has: a bit for each attribute and each method, as 0/1 text."""

    attributes: str
    methods: str


def _from_long(value: int) -> int:
    return value & 0xFFFF


def _to_long(name: int) -> int:
    if not 0 <= name <= 0xFFFF:
        raise ValueError("a short name has 16 bits")
    return name - 0x10000 if name & 0x8000 else name


base_name = mapped(long, _from_long, _to_long)
"""A short name: a signed long on the wire, here the 16 bits as the services have them."""

_objects = array(
    structure(
        ShortNameObject,
        base_name=base_name,
        class_id=long_unsigned,
        version=unsigned,
        logical_name=logical_name,
    )
)


def _rights(version_of_ln: int) -> DataType[tuple[ShortNameRights, ...]]:
    """Return the type of access_rights_list with the access modes of that version of Association LN."""
    attributes, methods = rights_of(version_of_ln)
    return array(structure(ShortNameRights, base_name=base_name, attribute_access=attributes, method_access=methods))


by_class = Selector(1, "class_id_list", array(long_unsigned), "the objects of these classes")
by_object_ids = Selector(2, "object_id_list", array(object_id), "these objects")


class AssociationSNV0(InterfaceClass[S], class_id=12, version=0, name="Association SN", verified=False):
    """Lists the objects with their base names; methods find and read objects by logical name.

    The parameters of methods 1 to 4 are not verified. Offsets: attributes 0 and 8, methods from 20h on.
    """

    object_list = attribute(2, _objects, "objects and their base names", static=True)

    getlist_by_classid = method(
        1, array(long_unsigned), "returns the objects of these classes", returns=_objects, sn_offset=0x20
    )
    getobj_by_logicalname = method(2, array(object_id), "returns these objects", returns=_objects, sn_offset=0x28)
    read_by_logicalname = method(
        3, array(attribute_reference), "returns the values of these attributes", returns=any_data, sn_offset=0x30
    )
    get_attributes_and_services = method(
        4, array(object_id), "returns which attributes and methods these objects have", returns=any_data, sn_offset=0x38
    )
    change_LLS_secret = method(5, octet_string(), "replaces the password of low level security", sn_offset=0x40)
    change_HLS_secret = method(6, octet_string(), "replaces the secret of high level security", sn_offset=0x48)
    get_HLS_challenge = method(7, trigger, "returns the server's challenge", returns=octet_string(), sn_offset=0x50)
    reply_to_HLS_challenge = method(
        8, octet_string(), "takes the client's proof, returns the server's", returns=octet_string(), sn_offset=0x58
    )


class AssociationSNV1(AssociationSNV0[S], class_id=12, version=1, verified=False):
    """The object list is selected by parameters instead of methods (Blue Book ed. 9, 4.4.3).

    The numbers of the selectors are of medium certainty.
    """

    object_list = attribute(
        2, _objects, "objects and their base names", static=True, selectors=(by_class, by_object_ids)
    )

    reserved_1 = reserved(1)
    reserved_2 = reserved(2)
    get_attributes_and_methods = method(
        4,
        array(object_id),
        "returns which attributes and methods these objects have",
        returns=array(structure(AttributesAndMethods, attributes=bit_string(), methods=bit_string())),
        sn_offset=0x38,
    )
    reserved_7 = reserved(7)
    reply_to_HLS_authentication = method(
        8, octet_string(), "takes the client's proof, returns the server's", returns=octet_string(), sn_offset=0x58
    )


class AssociationSNV2(AssociationSNV1[S], class_id=12, version=2, verified=False):
    """Adds access rights and the reference to the security setup (Blue Book ed. 10, 4.4.3).

    Not verified: whether methods 4 to 6 were given up (one public source keeps those of version 1), and whether an
    attribute's access rights have access_selectors (one leaves them out).
    """

    access_rights_list = attribute(3, _rights(2), "access rights by base name", static=True)
    security_setup_reference = attribute(4, logical_name, "logical name of the security setup", static=True)

    reserved_4 = reserved(4)
    change_secret = method(5, octet_string(), "replaces the secret of low or high level security", sn_offset=0x40)
    reserved_6 = reserved(6)


class AssociationSNV3(AssociationSNV2[S], class_id=12, version=3, verified=False):
    """Adds users (Blue Book ed. 11, 4.4.3).

    The offsets of user_list and current_user, where methods 1 and 2 once were, are not verified.
    """

    user_list = attribute(5, array(user), "users that may associate", static=True, default=())
    current_user = attribute(6, user, "user of the association")

    add_user = method(9, named_user, "adds a user", sn_offset=0x60)
    remove_user = method(10, named_user, "removes a user", sn_offset=0x68)


class AssociationSN(AssociationSNV3[S], class_id=12, version=4, verified=False):
    """Access rights become bit masks with the protection of requests and responses (Blue Book ed. 12, 4.4.3)."""

    access_rights_list = attribute(3, _rights(3), "access rights by base name", static=True)

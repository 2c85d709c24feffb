"""The object list of an association and its access rights, of every version in one model.

Version 3 of Association LN writes a right as a bit mask, versions 1 and 2 as an enumeration of modes, version 0 as an
enumeration without protection (and methods as boolean). Here a right is always an `Access` mask.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Any, Final, NamedTuple

from cosem.classes.types import (
    DataType,
    StructureType,
    array,
    boolean,
    choice,
    enum_code,
    integer,
    lenient,
    logical_name,
    long_unsigned,
    mapped,
    null_data,
    structure,
    unsigned,
)
from cosem.codec.axdr import Data, Tag
from cosem.errors import EncodeError
from cosem.obis import Obis


class Access(IntFlag):
    """What is allowed, and the protection that requests and responses need for it (Blue Book ed. 12, 4.4.4).

    For methods `ACCESS`, the same bit as `READ`, allows the call. The protection bits stand where the security policy
    of class 64 has them.
    """

    NONE = 0
    READ = 0x01
    ACCESS = 0x01
    WRITE = 0x02
    AUTHENTICATED_REQUEST = 0x04
    ENCRYPTED_REQUEST = 0x08
    SIGNED_REQUEST = 0x10
    AUTHENTICATED_RESPONSE = 0x20
    ENCRYPTED_RESPONSE = 0x40
    SIGNED_RESPONSE = 0x80
    AUTHENTICATED = AUTHENTICATED_REQUEST | AUTHENTICATED_RESPONSE
    READ_AND_WRITE = READ | WRITE
    PROTECTION = 0xFC

    @property
    def protection(self) -> Access:
        """Return only the protection bits."""
        return self & Access.PROTECTION


class AttributeAccess(NamedTuple):
    """The right on one attribute. `selectors` are the selective accesses it allows, None where none are given.

    `unknown_mode` keeps an enumeration value that the version does not define; `access` is then NONE.
    """

    attribute_id: int
    access: Access
    selectors: tuple[int, ...] | None = None
    unknown_mode: int | None = None


class MethodAccess(NamedTuple):
    """The right on one method. `unknown_mode` as in `AttributeAccess`."""

    method_id: int
    access: Access
    unknown_mode: int | None = None


class AccessRights(NamedTuple):
    """The rights on the attributes and methods of one object."""

    attribute_access: tuple[AttributeAccess, ...] = ()
    method_access: tuple[MethodAccess, ...] = ()

    def attribute(self, number: int) -> Access:
        """Return the right on one attribute, NONE where nothing is said."""
        return next((right.access for right in self.attribute_access if right.attribute_id == number), Access.NONE)

    def method(self, number: int) -> Access:
        """Return the right on one method, NONE where nothing is said."""
        return next((right.access for right in self.method_access if right.method_id == number), Access.NONE)


class ObjectListElement(NamedTuple):
    """One object that an association sees. `access_rights` is None where a selection left them out."""

    class_id: int
    version: int
    logical_name: Obis
    access_rights: AccessRights | None = None


class ObjectId(NamedTuple):
    """Class and logical name of an object."""

    class_id: int
    logical_name: Obis


object_id = structure(ObjectId, class_id=long_unsigned, logical_name=logical_name)

_ATTRIBUTE_MODES: Final = (
    Access.NONE,
    Access.READ,
    Access.WRITE,
    Access.READ_AND_WRITE,
    Access.READ | Access.AUTHENTICATED,
    Access.WRITE | Access.AUTHENTICATED,
    Access.READ_AND_WRITE | Access.AUTHENTICATED,
)
"""Attribute access modes of versions 1 and 2; version 0 has the first four."""

_METHOD_MODES: Final = (Access.NONE, Access.ACCESS, Access.ACCESS | Access.AUTHENTICATED)
"""Method access modes of versions 1 and 2."""


def _modes(version: int, *, of_methods: bool) -> tuple[Access, ...]:
    if of_methods:
        return _METHOD_MODES if version else _METHOD_MODES[:2]
    return _ATTRIBUTE_MODES if version else _ATTRIBUTE_MODES[:4]


def decode_mode(version: int, mode: int, *, of_methods: bool = False) -> tuple[Access, int | None]:
    """Return the right that `mode` means in that version of Association LN, and `mode` itself if it means none.

    Meters that call themselves version 0 send the modes of version 1, so those are read for both.
    """
    if version >= 3:
        return Access(mode), None
    modes = _modes(1, of_methods=of_methods)
    return (modes[mode], None) if mode < len(modes) else (Access.NONE, mode)


def encode_mode(version: int, access: Access, unknown: int | None = None, *, of_methods: bool = False) -> int:
    """Return the mode that stands for `access`; raise `EncodeError` where that version has none."""
    if unknown is not None:
        return unknown
    if version >= 3:
        return int(access)
    wanted = access if access & Access.AUTHENTICATED == 0 else access | Access.AUTHENTICATED
    if of_methods:
        wanted &= ~Access.WRITE
    modes = _modes(version, of_methods=of_methods)
    if wanted not in modes:
        raise EncodeError(f"version {version} of Association LN has no access mode for {access!r}")
    return modes.index(wanted)


class _AttributeItem(NamedTuple):
    """The right on one attribute. access_mode as in Association LN up to version 2: 0 no access, 1 read only, 2 write
    only, 3 read and write, 4 to 6 the same as 1 to 3, authenticated (not in version 0). As in its version 3, bits: 0
    read, 1 write, 2 to 4 the request authenticated, encrypted, signed, 5 to 7 the response.
    """

    attribute_id: int
    access_mode: int
    access_selectors: tuple[int, ...] | None


class _MethodItem(NamedTuple):
    """The right on one method. access_mode as in Association LN version 0: whether it may be invoked; versions 1 and 2:
    0 no access, 1 access, 2 authenticated access; version 3, bits: 0 access, 2 to 7 as for attributes.
    """

    method_id: int
    access_mode: int


def rights_of(version: int) -> tuple[DataType[tuple[AttributeAccess, ...]], DataType[tuple[MethodAccess, ...]]]:
    """Return the types of attribute_access and method_access in one version of Association LN."""

    def attribute(item: _AttributeItem) -> AttributeAccess:
        access, unknown = decode_mode(version, item.access_mode)
        return AttributeAccess(item.attribute_id, access, item.access_selectors, unknown)

    def attribute_item(right: AttributeAccess) -> _AttributeItem:
        mode = encode_mode(version, right.access, right.unknown_mode)
        return _AttributeItem(right.attribute_id, mode, right.selectors)

    def method(item: _MethodItem) -> MethodAccess:
        access, unknown = decode_mode(version, int(item.access_mode), of_methods=True)
        return MethodAccess(item.method_id, access, unknown)

    def method_item(right: MethodAccess) -> _MethodItem:
        mode = encode_mode(version, right.access, right.unknown_mode, of_methods=True)
        return _MethodItem(right.method_id, mode if version else bool(mode))

    method_mode: DataType[Any] = lenient(enum_code, boolean) if version else lenient(boolean, enum_code)
    attribute_shape = structure(
        _AttributeItem,
        attribute_id=integer,
        access_mode=enum_code,
        access_selectors=choice(null_data, array(integer)),
    )
    method_shape = structure(_MethodItem, method_id=integer, access_mode=method_mode)
    return (
        array(mapped(attribute_shape, attribute, attribute_item)),
        array(mapped(method_shape, method, method_item)),
    )


def _rights_type(version: int) -> DataType[AccessRights]:
    """Return the type of access_rights in one version of Association LN."""
    attributes, methods = rights_of(version)
    return structure(AccessRights, attribute_access=attributes, method_access=methods)


class _Identity(NamedTuple):
    class_id: int
    version: int
    logical_name: Obis


class ObjectListElementType(DataType[ObjectListElement]):
    """structure of an object list element; the three-element form without access rights is one of its shapes."""

    __slots__ = ("full", "short")

    def __init__(self, version: int) -> None:
        self.full: StructureType[ObjectListElement] = structure(
            ObjectListElement,
            class_id=long_unsigned,
            version=unsigned,
            logical_name=logical_name,
            access_rights=_rights_type(version),
        )
        self.short: StructureType[_Identity] = structure(
            _Identity, class_id=long_unsigned, version=unsigned, logical_name=logical_name
        )
        super().__init__(self.full.notation, Tag.STRUCTURE)

    @property
    def declared(self) -> StructureType[ObjectListElement]:
        """Return the whole structure, which is what descriptions tell."""
        return self.full

    def _decode(self, data: Data) -> ObjectListElement:
        if data.tag is Tag.STRUCTURE and len(data.value) == 3:
            return ObjectListElement(*self.short.from_data(data))
        return self.full.from_data(data)

    def _check(self, data: Data) -> None:
        if data.tag is Tag.STRUCTURE and len(data.value) == 3:
            self.short.check(data)
        else:
            self.full.check(data)

    def _encode(self, value: ObjectListElement, like: Data | None) -> Data:
        if isinstance(value, tuple) and (len(value) == 3 or value[-1] is None):
            return self.short.to_data(_Identity(*value[:3]), like)
        return self.full.to_data(value, like)

"""COSEM data protection (class 30): attributes and methods of other objects, protected end to end."""

from __future__ import annotations

from typing import Any, NamedTuple

from cosem.classes.c064_security_setup import policy_mask
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.protection import (
    ProtectionParameters,
    RestrictedObject,
    protection_parameters,
    restricted_objects,
)
from cosem.classes.types import (
    any_data,
    integer,
    logical_name,
    long_unsigned,
    octet_string,
    structure,
)
from cosem.obis import Obis


class ObjectMethod(NamedTuple):
    """One method of one object."""

    class_id: int
    logical_name: Obis
    method_index: int


class GetProtectedAttributes(NamedTuple):
    """What to read, and how the answer is to be protected."""

    object_list: tuple[RestrictedObject, ...]
    get_protection_parameters: tuple[ProtectionParameters, ...]


class ProtectedAttributes(NamedTuple):
    """Values and how they are protected."""

    protection_parameters: tuple[ProtectionParameters, ...]
    protected_attributes: bytes


class SetProtectedAttributes(NamedTuple):
    """What to write, and the protected values."""

    object_list: tuple[RestrictedObject, ...]
    set_protection_parameters: tuple[ProtectionParameters, ...]
    protected_attributes: bytes


class InvokeProtectedMethod(NamedTuple):
    """The method to invoke and its protected parameters."""

    object_method: ObjectMethod
    protected_method_invocation_parameters: Any


class DataProtection(InterfaceClass[S], class_id=30, version=0, name="COSEM data protection"):
    """Protects and unprotects values of a list of objects (Blue Book ed. 12, 4.4.9).

    Not verified: the fields of the methods' structures, the type of protected method parameters and results (any type
    here), and that the methods are mandatory.
    """

    protection_buffer = attribute(2, octet_string(), "the protected values")
    protection_object_list = attribute(3, restricted_objects, "what the buffer holds", static=True, default=())
    protection_parameters_get = attribute(
        4, protection_parameters, "protection of the buffer when it is read", static=True, default=()
    )
    protection_parameters_set = attribute(
        5, protection_parameters, "protection of the buffer when it is written", static=True, default=()
    )
    required_protection = attribute(6, policy_mask, "protection that is demanded at least, a bit mask", static=True)

    get_protected_attributes = method(
        1,
        structure(
            GetProtectedAttributes,
            object_list=restricted_objects,
            get_protection_parameters=protection_parameters,
        ),
        "returns protected values",
        returns=structure(
            ProtectedAttributes,
            protection_parameters=protection_parameters,
            protected_attributes=octet_string(),
        ),
        optional=False,
        sn_offset=0x30,
    )
    set_protected_attributes = method(
        2,
        structure(
            SetProtectedAttributes,
            object_list=restricted_objects,
            set_protection_parameters=protection_parameters,
            protected_attributes=octet_string(),
        ),
        "takes protected values",
        optional=False,
        sn_offset=0x38,
    )
    invoke_protected_method = method(
        3,
        structure(
            InvokeProtectedMethod,
            object_method=structure(
                ObjectMethod, class_id=long_unsigned, logical_name=logical_name, method_index=integer
            ),
            protected_method_invocation_parameters=any_data,
        ),
        "invokes a method with protected parameters, returns its protected result",
        returns=any_data,
        optional=False,
        sn_offset=0x40,
    )

"""The Blue Book: one file per interface class, each declared once; everything else reads the declaration.

A class is found by number with `lookup` and by name with `find`; its file ``c###_name.py`` is imported then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.lazy import lazy_exports

if TYPE_CHECKING:
    from cosem.classes.access import Access as Access
    from cosem.classes.access import AccessRights as AccessRights
    from cosem.classes.access import AttributeAccess as AttributeAccess
    from cosem.classes.access import MethodAccess as MethodAccess
    from cosem.classes.access import ObjectListElement as ObjectListElement
    from cosem.classes.c001_data import Data as Data
    from cosem.classes.c003_register import Register as Register
    from cosem.classes.c004_extended_register import ExtendedRegister as ExtendedRegister
    from cosem.classes.c007_profile_generic import ProfileGeneric as ProfileGeneric
    from cosem.classes.c008_clock import Clock as Clock
    from cosem.classes.c015_association_ln import AssociationLN as AssociationLN
    from cosem.classes.c017_sap_assignment import SAPAssignment as SAPAssignment
    from cosem.classes.c064_security_setup import SecuritySetup as SecuritySetup
    from cosem.classes.c070_disconnect_control import DisconnectControl as DisconnectControl
    from cosem.classes.description import describe as describe
    from cosem.classes.model import Attribute as Attribute
    from cosem.classes.model import InterfaceClass as InterfaceClass
    from cosem.classes.model import Method as Method
    from cosem.classes.model import Selection as Selection
    from cosem.classes.model import Store as Store
    from cosem.classes.model import Unknown as Unknown
    from cosem.classes.model import bind as bind
    from cosem.classes.model import find as find
    from cosem.classes.model import known as known
    from cosem.classes.model import lookup as lookup
    from cosem.classes.model import versions_of as versions_of
    from cosem.classes.store import LocalStore as LocalStore
    from cosem.classes.types import TypeMismatch as TypeMismatch

_WHERE = {
    "access": ("Access", "AccessRights", "AttributeAccess", "MethodAccess", "ObjectListElement"),
    "c001_data": ("Data",),
    "c003_register": ("Register",),
    "c004_extended_register": ("ExtendedRegister",),
    "c007_profile_generic": ("ProfileGeneric",),
    "c008_clock": ("Clock",),
    "c015_association_ln": ("AssociationLN",),
    "c017_sap_assignment": ("SAPAssignment",),
    "c064_security_setup": ("SecuritySetup",),
    "c070_disconnect_control": ("DisconnectControl",),
    "description": ("describe",),
    "model": (
        "Attribute", "InterfaceClass", "Method", "Selection", "Store", "Unknown", "bind", "find", "known", "lookup",
        "versions_of",
    ),
    "store": ("LocalStore",),
    "types": ("TypeMismatch",),
}  # fmt: skip

__getattr__, __dir__ = lazy_exports(
    __name__, {name: f"cosem.classes.{module}" for module, names in _WHERE.items() for name in names}
)

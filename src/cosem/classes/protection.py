"""Parts of objects and their protection, as push setup, data protection and compact data have them.

Blue Book ed. 12, 4.4.8 and 4.4.9.
"""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.common import CaptureObject, capture_object
from cosem.classes.types import (
    OpenEnum,
    array,
    choice,
    double_long_unsigned,
    enum,
    integer,
    logical_name,
    long_unsigned,
    null_data,
    octet_string,
    structure,
)
from cosem.obis import Obis


class RestrictionType(OpenEnum):
    """How the rows of a profile are restricted."""

    NONE = 0
    BY_DATE = 1
    BY_ENTRY = 2


class RestrictionByDate(NamedTuple):
    """Rows between two dates, as octets."""

    from_date: bytes
    to_date: bytes


class RestrictionByEntry(NamedTuple):
    """Rows by number."""

    from_entry: int
    to_entry: int


class Restriction(NamedTuple):
    """Which rows; the value is of the type that goes with `restriction_type`, None for all."""

    restriction_type: RestrictionType = RestrictionType.NONE
    restriction_value: RestrictionByDate | RestrictionByEntry | None = None


class RestrictedObject(NamedTuple):
    """One attribute, or part of it, and which of its rows."""

    class_id: int
    logical_name: Obis
    attribute_index: int
    data_index: int = 0
    restriction: Restriction = Restriction()


class RestrictedColumns(NamedTuple):
    """One attribute, or part of it, which of its rows and which of its columns (none = all)."""

    class_id: int
    logical_name: Obis
    attribute_index: int
    data_index: int = 0
    restriction: Restriction = Restriction()
    columns: tuple[CaptureObject, ...] = ()


class ProtectionType(OpenEnum):
    """What one layer of protection does."""

    AUTHENTICATION = 0
    ENCRYPTION = 1
    AUTHENTICATION_AND_ENCRYPTION = 2
    DIGITAL_SIGNATURE = 3


class KeyInfoType(OpenEnum):
    """How the key is told."""

    IDENTIFIED_KEY = 0
    WRAPPED_KEY = 1
    AGREED_KEY = 2


class IdentifiedKeyId(OpenEnum):
    """A key that both sides have."""

    GLOBAL_UNICAST_ENCRYPTION_KEY = 0
    GLOBAL_BROADCAST_ENCRYPTION_KEY = 1


class KekId(OpenEnum):
    """The key that wraps another."""

    MASTER_KEY = 0


class IdentifiedKey(NamedTuple):
    """A key by its identifier."""

    key_id: IdentifiedKeyId


class WrappedKey(NamedTuple):
    """A key, wrapped."""

    kek_id: KekId
    key_ciphered_data: bytes


class AgreedKey(NamedTuple):
    """Parameters and data of a key agreement."""

    key_parameters: bytes
    key_ciphered_data: bytes


class KeyInfo(NamedTuple):
    """The key; the options are of the type that goes with `key_info_type`."""

    key_info_type: KeyInfoType
    key_info_options: IdentifiedKey | WrappedKey | AgreedKey


class ProtectionOptions(NamedTuple):
    """The header of one layer of protection, as in general-ciphering."""

    transaction_id: bytes
    originator_system_title: bytes
    recipient_system_title: bytes
    other_information: bytes
    key_info: KeyInfo


class ProtectionParameters(NamedTuple):
    """One layer of protection."""

    protection_type: ProtectionType
    protection_options: ProtectionOptions


restriction = structure(
    Restriction,
    restriction_type=enum(RestrictionType),
    restriction_value=choice(
        null_data,
        structure(RestrictionByDate, from_date=octet_string(), to_date=octet_string()),
        structure(RestrictionByEntry, from_entry=double_long_unsigned, to_entry=double_long_unsigned),
    ),
)
"""One public source has long-unsigned entries in push setup; the others double-long-unsigned, as here."""

restricted_objects = array(
    structure(
        RestrictedObject,
        class_id=long_unsigned,
        logical_name=logical_name,
        attribute_index=integer,
        data_index=long_unsigned,
        restriction=restriction,
    )
)
restricted_columns = array(
    structure(
        RestrictedColumns,
        class_id=long_unsigned,
        logical_name=logical_name,
        attribute_index=integer,
        data_index=long_unsigned,
        restriction=restriction,
        columns=array(capture_object),
    )
)
protection_parameters = array(
    structure(
        ProtectionParameters,
        protection_type=enum(ProtectionType),
        protection_options=structure(
            ProtectionOptions,
            transaction_id=octet_string(),
            originator_system_title=octet_string(),
            recipient_system_title=octet_string(),
            other_information=octet_string(),
            key_info=structure(
                KeyInfo,
                key_info_type=enum(KeyInfoType),
                key_info_options=choice(
                    structure(IdentifiedKey, key_id=enum(IdentifiedKeyId)),
                    structure(WrappedKey, kek_id=enum(KekId), key_ciphered_data=octet_string()),
                    structure(AgreedKey, key_parameters=octet_string(), key_ciphered_data=octet_string()),
                ),
            ),
        ),
    )
)
"""Layers of protection, the first one applied first."""

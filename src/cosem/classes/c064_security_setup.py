"""Security setup (class 64): security policy, suite, system titles, keys and certificates."""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import OpenEnum, array, choice, enum, enum_code, flags, octet_string, structure


class SecurityPolicyV0(OpenEnum):
    """What protection all messages need, version 0."""

    NOTHING = 0
    ALL_MESSAGES_AUTHENTICATED = 1
    ALL_MESSAGES_ENCRYPTED = 2
    ALL_MESSAGES_AUTHENTICATED_AND_ENCRYPTED = 3


class SecurityPolicy(IntFlag):
    """What protection requests and responses need, from version 1 on. Bits 0 and 1 are unused."""

    AUTHENTICATED_REQUEST = 0x04
    ENCRYPTED_REQUEST = 0x08
    DIGITALLY_SIGNED_REQUEST = 0x10
    AUTHENTICATED_RESPONSE = 0x20
    ENCRYPTED_RESPONSE = 0x40
    DIGITALLY_SIGNED_RESPONSE = 0x80


class SecuritySuite(OpenEnum):
    """The algorithms in use."""

    AES_GCM_128 = 0
    ECDH_ECDSA_AES_GCM_128_SHA_256 = 1
    ECDH_ECDSA_AES_GCM_256_SHA_384 = 2


class KeyId(OpenEnum):
    """Which key is transferred or agreed; the master key from version 1 on."""

    GLOBAL_UNICAST_ENCRYPTION_KEY = 0
    GLOBAL_BROADCAST_ENCRYPTION_KEY = 1
    AUTHENTICATION_KEY = 2
    MASTER_KEY = 3


class KeyPairUse(OpenEnum):
    """What a key pair is for."""

    DIGITAL_SIGNATURE = 0
    KEY_AGREEMENT = 1
    TLS = 2


class CertificateEntity(OpenEnum):
    """Whose certificate it is."""

    SERVER = 0
    CLIENT = 1
    CERTIFICATION_AUTHORITY = 2
    OTHER = 3


class CertificateType(OpenEnum):
    """What a certificate is for."""

    DIGITAL_SIGNATURE = 0
    KEY_AGREEMENT = 1
    TLS = 2
    OTHER = 3


class CertificateIdentificationType(OpenEnum):
    """How a certificate is named."""

    BY_ENTITY = 0
    BY_SERIAL_NUMBER = 1


class KeyTransfer(NamedTuple):
    """A key wrapped under the master key."""

    key_id: KeyId
    key_wrapped: bytes


class KeyAgreement(NamedTuple):
    """One side's part of a key agreement: ephemeral public key and signature."""

    key_id: KeyId
    key_data: bytes


class Certificate(NamedTuple):
    """What a certificate says of itself; issuer, subject and serial number are DER."""

    certificate_entity: CertificateEntity
    certificate_type: CertificateType
    serial_number: bytes
    issuer: bytes
    subject: bytes
    subject_alt_name: bytes


class CertificateByEntity(NamedTuple):
    """A certificate named by its owner."""

    certificate_entity: CertificateEntity
    certificate_type: CertificateType
    system_title: bytes


class CertificateBySerialNumber(NamedTuple):
    """A certificate named by its number and issuer."""

    serial_number: bytes
    issuer: bytes


class CertificateIdentification(NamedTuple):
    """Which certificate; the options are of the type that goes with `certificate_identification_type`."""

    certificate_identification_type: CertificateIdentificationType
    certificate_identification_options: CertificateByEntity | CertificateBySerialNumber


key_transfer_data = array(structure(KeyTransfer, key_id=enum(KeyId), key_wrapped=octet_string()))
key_agreement_data = array(structure(KeyAgreement, key_id=enum(KeyId), key_data=octet_string()))
policy_mask = flags(SecurityPolicy, enum_code)
certificate_identification = structure(
    CertificateIdentification,
    certificate_identification_type=enum(CertificateIdentificationType),
    certificate_identification_options=choice(
        structure(
            CertificateByEntity,
            certificate_entity=enum(CertificateEntity),
            certificate_type=enum(CertificateType),
            system_title=octet_string(),
        ),
        structure(CertificateBySerialNumber, serial_number=octet_string(), issuer=octet_string()),
    ),
)


class SecuritySetupV0(InterfaceClass[S], class_id=64, version=0, name="Security setup"):
    """Security policy, suite 0 and key transfer (Blue Book ed. 10, 4.4.7)."""

    security_policy = attribute(2, enum(SecurityPolicyV0), "protection that all messages need", static=True)
    security_suite = attribute(3, enum(SecuritySuite), "algorithms in use", static=True)
    client_system_title = attribute(4, octet_string(), "system title of the client")
    server_system_title = attribute(5, octet_string(), "system title of the server", static=True)

    security_activate = method(1, enum(SecurityPolicyV0), "strengthens the security policy", sn_offset=0x28)
    global_key_transfer = method(2, key_transfer_data, "replaces global keys", sn_offset=0x30)


class SecuritySetup(SecuritySetupV0[S], class_id=64, version=1):
    """Adds suites 1 and 2, key agreement and certificates (Blue Book ed. 12, 4.4.7).

    The security policy became a bit mask.
    """

    security_policy = attribute(2, policy_mask, "protection that messages need, a bit mask", static=True)  # type: ignore[assignment]
    certificates = attribute(
        6,
        array(
            structure(
                Certificate,
                certificate_entity=enum(CertificateEntity),
                certificate_type=enum(CertificateType),
                serial_number=octet_string(),
                issuer=octet_string(),
                subject=octet_string(),
                subject_alt_name=octet_string(),
            )
        ),
        "certificates that the server holds",
        default=(),
    )

    security_activate = method(1, policy_mask, "strengthens the security policy", sn_offset=0x30)  # type: ignore[assignment]
    key_transfer = method(2, key_transfer_data, "replaces symmetric keys", sn_offset=0x38)
    key_agreement = method(
        3, key_agreement_data, "agrees on symmetric keys", returns=key_agreement_data, sn_offset=0x40
    )
    generate_key_pair = method(4, enum(KeyPairUse), "makes a key pair of the server", sn_offset=0x48)
    generate_certificate_request = method(
        5, enum(KeyPairUse), "returns a PKCS #10 request, DER", returns=octet_string(), sn_offset=0x50
    )
    import_certificate = method(6, octet_string(), "takes an X.509 certificate, DER", sn_offset=0x58)
    export_certificate = method(
        7, certificate_identification, "returns an X.509 certificate, DER", returns=octet_string(), sn_offset=0x60
    )
    remove_certificate = method(8, certificate_identification, "forgets a certificate", sn_offset=0x68)

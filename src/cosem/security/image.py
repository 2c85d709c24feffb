"""Signed image containers: firmware and other images as one file, in a form of our own (docs/image.md).

The standard leaves the inside of an image to the manufacturer. A container holds one or more parts, says for what each
is, and ends with a signature over everything before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cosem.errors import ConfigError, DecodeError, SecurityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey

MAGIC: Final = b"CSMIMAGE"
FORMAT: Final = 1
ED25519, ECDSA_P256 = 1, 2
"""Signature algorithms: Ed25519, and ECDSA on P-256 with SHA-256 as r || s."""
SIGNATURE_LENGTH: Final = 64
MAX_PARTS: Final = 16
"""Parts of one container: the modules of a meter (value group B 0 to 9) with room to spare."""
MAX_IDENTIFIER: Final = 48
"""Octets of an identifier; meters show it in an octet-string that displays and head-ends have room for."""
THIS_DEVICE, MBUS_DEVICE = 0, 1
"""What a part is for: the device that takes the container, or an M-Bus device behind it."""
MAX_PLACE: Final = {THIS_DEVICE: 9, MBUS_DEVICE: 4}
"""The largest place of each kind: value group B of the firmware's identifier, or the M-Bus channel."""
_KEY_LENGTH = {ED25519: 32, ECDSA_P256: 65}


class ImagePart(NamedTuple):
    """One image of a container.

    `place` is value group B of the firmware identifier 1-B:0.2.0.255 (0 metrology, 1 application, 2 to 9 others), or
    the channel (1 to 4) of an M-Bus device.
    """

    kind: int
    place: int
    identifier: bytes
    payload: bytes


class ImageContainer(NamedTuple):
    """A container taken apart; whether the signature is right is not known yet."""

    algorithm: int
    parts: tuple[ImagePart, ...]
    signature: bytes


def parse_image(octets: bytes) -> ImageContainer:
    """Take a container apart. Raises `DecodeError`; the signature is not looked at."""
    if octets[: len(MAGIC)] != MAGIC:
        raise DecodeError(f"an image container begins with {MAGIC.decode()}", 0, ("image",))
    offset = len(MAGIC)
    head = octets[offset : offset + 3]
    if len(head) < 3:
        raise DecodeError("the header is cut off", len(octets), ("image",))
    if head[0] != FORMAT:
        raise DecodeError(f"format {head[0]} is not known, {FORMAT} is", offset, ("image",))
    if head[1] not in _KEY_LENGTH:
        raise DecodeError(f"signature algorithm {head[1]} is not known", offset + 1, ("image",))
    if not 1 <= head[2] <= MAX_PARTS:
        raise DecodeError(f"{head[2]} parts, there are 1 to {MAX_PARTS}", offset + 2, ("image",))
    offset += 3
    told: list[tuple[int, int, bytes, int]] = []
    for number in range(head[2]):
        path = ("image", f"part[{number}]")
        if len(octets) < offset + 3:
            raise DecodeError("the part is cut off", len(octets), path)
        kind, place, length = octets[offset : offset + 3]
        _check(kind, place, length, offset, path)
        end = offset + 3 + length + 4
        if len(octets) < end:
            raise DecodeError("the part is cut off", len(octets), path)
        identifier = octets[offset + 3 : offset + 3 + length]
        told.append((kind, place, identifier, int.from_bytes(octets[end - 4 : end], "big")))
        offset = end
    whole = offset + sum(size for *_, size in told) + SIGNATURE_LENGTH
    if len(octets) != whole:
        raise DecodeError(
            f"{len(octets)} octets where the header tells of {whole}", min(len(octets), whole), ("image",)
        )
    parts = []
    for kind, place, identifier, size in told:
        parts.append(ImagePart(kind, place, identifier, octets[offset : offset + size]))
        offset += size
    return ImageContainer(head[1], tuple(parts), octets[offset:])


def _check(kind: int, place: int, length: int, offset: int, path: tuple[str, ...]) -> None:
    if kind not in MAX_PLACE:
        raise DecodeError(f"kind {kind} is neither this device (0) nor an M-Bus device (1)", offset, path)
    if not kind <= place <= MAX_PLACE[kind]:
        raise DecodeError(f"place {place} is none of {kind} to {MAX_PLACE[kind]}", offset + 1, path)
    if not 1 <= length <= MAX_IDENTIFIER:
        raise DecodeError(f"an identifier has 1 to {MAX_IDENTIFIER} octets, not {length}", offset + 2, path)


def verify_image(octets: bytes, public_key: bytes) -> ImageContainer:
    """Return a container whose signature is right. Raises `DecodeError`, and `SecurityError` for a wrong signature.

    `public_key` is 32 octets (Ed25519) or a point of 65 octets (04 || x || y on P-256).
    """
    container = parse_image(octets)
    if len(public_key) != _KEY_LENGTH[container.algorithm]:
        raise SecurityError("the image is signed by another algorithm than the key is for")
    from cryptography.exceptions import InvalidSignature

    signed, signature = octets[:-SIGNATURE_LENGTH], container.signature
    try:
        if container.algorithm == ED25519:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
        else:
            from cryptography.hazmat.primitives.asymmetric import ec, utils
            from cryptography.hazmat.primitives.hashes import SHA256

            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
            point.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise SecurityError("the signature of the image is wrong") from None
    except ValueError:
        raise SecurityError("the key that images are verified by is none") from None
    return container


def make_image(parts: Sequence[ImagePart], private_key: PrivateKey) -> bytes:
    """Return a signed container. Raises `ConfigError` for parts that have no place in one."""
    if not 1 <= len(parts) <= MAX_PARTS:
        raise ConfigError(f"an image has 1 to {MAX_PARTS} parts, not {len(parts)}")
    algorithm = _algorithm(private_key)
    octets = bytearray(MAGIC + bytes((FORMAT, algorithm, len(parts))))
    for number, part in enumerate(parts):
        try:
            _check(part.kind, part.place, len(part.identifier), len(octets), (f"part[{number}]",))
        except DecodeError as error:
            raise ConfigError(f"part {number + 1}: {error.what}") from None
        octets += bytes((part.kind, part.place, len(part.identifier))) + part.identifier
        octets += len(part.payload).to_bytes(4, "big")
    signed = bytes(octets) + b"".join(part.payload for part in parts)
    key: Any = private_key
    if algorithm == ED25519:
        return signed + bytes(key.sign(signed))
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
    return signed + r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _algorithm(private_key: Any) -> int:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(private_key, ed25519.Ed25519PrivateKey):
        return ED25519
    if isinstance(private_key, ec.EllipticCurvePrivateKey) and isinstance(private_key.curve, ec.SECP256R1):
        return ECDSA_P256
    raise ConfigError("images are signed by an Ed25519 key or one on the curve P-256")


def load_private_key(pem: bytes) -> PrivateKey:
    """Read an unencrypted private key (PEM). Raises `ConfigError`, which quotes nothing of it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key: Any = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError("that is no private key in PEM without a password") from None
    _algorithm(key)
    loaded: PrivateKey = key
    return loaded


def public_key(private_key: PrivateKey) -> bytes:
    """Return the octets that `verify_image` takes of the key that belongs to a private one."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if _algorithm(private_key) == ED25519:
        return private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

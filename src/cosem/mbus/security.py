"""Protection of the transport layer: security modes 0, 5, 7, 8, 9 and 10, both ways (EN 13757-7, 7.6, 9.4 and 9.6).

- 5: AES-CBC with an IV of address and access number. 7: AES-CBC, IV 0, with a key derived from the message counter.
  Both begin with 2F2Fh, by which a right key is known.
- 8: AES-CTR, and two CMACs behind the text. 9: AES-GCM, tag of 12 octets behind the text. 10: AES-CCM, tag of 4 to 16.
- 1 to 4, 6, 11 to 31: refused by name.

5 and 7 are proven by published telegrams, 10 by one of a real meter. No telegram of 8 and 9 is public: of 9 [C] header,
IV and tag are those of the Dutch P2 companion, of 8 [D] even the layout of the header is not public. What was chosen
stands beside `_associated`, `_ctr_block` and `_macs`.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import NamedTuple

from cosem.errors import DecodeError, EncodeError, PolicyViolation, TagMismatch
from cosem.mbus import crypto
from cosem.mbus.afl import GMAC_TYPES, MAC_LENGTHS, AuthenticationLayer
from cosem.mbus.ci import Direction
from cosem.mbus.header import Configuration, Header
from cosem.mbus.wireless import Address

FILLER = b"\x2f\x2f"
"""The idle filler twice: plain text of modes 5 and 7 begins with it."""
SUPPORTED = frozenset((0, 5, 7, 8, 9, 10))
REFUSED = {
    1: "manufacturer specific",
    2: "DES-CBC without IV, withdrawn",
    3: "DES-CBC, withdrawn",
    4: "AES-CBC without IV, withdrawn",
    6: "reserved",
    11: "reserved",
    12: "reserved",
    13: "TLS",
    14: "reserved",
    15: "specific usage",
}
MAC_1, MAC_2 = 4, 2
"""Octets of the two MACs of mode 8: end to end, and with the communication partner."""


class Scene(NamedTuple):
    """What protection depends on besides key and text.

    `counter`: of the header or, where it has none, of the authentication layer. `front`: CI and header as sent.
    """

    header: Header
    address: Address
    direction: Direction
    counter: int | None
    front: bytes

    @property
    def configuration(self) -> Configuration:
        """Return the configuration field."""
        return self.header.configuration


class Text(NamedTuple):
    """An application that was opened: plain octets, and what stood behind them (tag or MACs)."""

    plain: bytes
    trailer: bytes


def refusal(mode: int) -> str | None:
    """Return why a security mode is not opened, or None where it is."""
    return None if mode in SUPPORTED else REFUSED.get(mode, "reserved")


def refuse(mode: int) -> None:
    """Raise `PolicyViolation` naming the mode unless it is supported."""
    why = refusal(mode)
    if why is not None:
        raise PolicyViolation(f"security mode {mode} ({why}) is not supported")


def is_protected(configuration: Configuration, text: bytes) -> bool:
    """Say whether the header's security mode protects `text`: in modes 5 and 7 it may encipher nothing of it."""
    mode = configuration.mode
    if mode in (5, 7):
        count = configuration.enciphered
        return bool(text) if count is None else count > 0
    return mode != 0


def _counter(scene: Scene) -> int:
    if scene.counter is None:
        raise DecodeError(f"security mode {scene.configuration.mode} needs a message counter, and there is none", 0)
    return scene.counter


def derived_key(key: bytes, derivation: int, scene: Scene, constant: int) -> bytes:
    """Return the key itself or the one derived from it, as the header or key information says."""
    if derivation == 0:
        return key
    if derivation != 1:
        raise PolicyViolation(f"key derivation {derivation} is reserved")
    if scene.direction is Direction.TO_DEVICE:
        constant |= crypto.TO_DEVICE
    return crypto.derive(key, constant, _counter(scene), scene.address.identification)


def _key(key: bytes, scene: Scene, constant: int = crypto.ENCRYPTION) -> bytes:
    return derived_key(key, scene.configuration.derivation, scene, constant)


def _nonce(scene: Scene, size: int) -> bytes:
    """M, A, zeros, and the counter most significant octet first: proven for mode 10, the P2 companion's for mode 9."""
    return scene.address.link + bytes(size - 12) + _counter(scene).to_bytes(4, "big")


def _associated(scene: Scene, clear: bytes) -> bytes:
    """CI and header without the counter, then what of the application is not enciphered.

    The first part is proven by a telegram of mode 10 and taken for mode 9 [D]; clear parts too [D]: left out they would
    be protected by nothing.
    """
    front = scene.front if scene.configuration.counter is None else scene.front[:-4]
    return front + clear


def _cbc_iv(scene: Scene) -> bytes:
    if scene.configuration.mode == 7:
        return bytes(16)
    return scene.address.link + bytes((scene.header.access_number,)) * 8


def proves_counter(configuration: Configuration) -> bool:
    """Say whether an application that opens proves the message counter: it enters the key or the nonce."""
    return configuration.mode in (8, 9, 10) or configuration.derivation == 1


def _share(configuration: Configuration, length: int) -> int:
    """Return how many of `length` octets are enciphered. Raises `DecodeError` where fewer are there than are said."""
    count = configuration.enciphered
    if count is None:
        return length // crypto.BLOCK * crypto.BLOCK if configuration.mode in (5, 7) else length
    if count > length:
        raise DecodeError(f"{count} octets are said to be enciphered, {length} are there", length)
    return count


def _open_cbc(key: bytes, scene: Scene, text: bytes) -> Text:
    count = _share(scene.configuration, len(text))
    if not count:
        raise DecodeError(f"{len(text)} octets are no block of a cipher", len(text))
    plain = crypto.decrypt_cbc(_key(key, scene), _cbc_iv(scene), text[:count])
    if not plain.startswith(FILLER):
        raise TagMismatch("no 2F2F after deciphering: wrong key, wrong address, or altered octets")
    return Text(plain + text[count:], b"")


def _protect_cbc(key: bytes, scene: Scene, plain: bytes) -> bytes:
    count = _share(scene.configuration, len(plain))
    if not count:
        raise EncodeError(f"{len(plain)} octets are no block of a cipher")
    if not plain.startswith(FILLER):
        raise EncodeError("plain text of security modes 5 and 7 begins with 2F2F")
    return crypto.encrypt_cbc(_key(key, scene), _cbc_iv(scene), plain[:count]) + plain[count:]


def _split(scene: Scene, text: bytes, tail: int) -> tuple[bytes, bytes, bytes]:
    """Return what is enciphered, what is clear, and the tag."""
    end = len(text) - tail
    if end < 0:
        raise DecodeError(f"{len(text)} octets hold no tag of {tail}", len(text))
    count = _share(scene.configuration, end)
    return text[:count], text[count:end], text[end:]


def _open_aead(key: bytes, scene: Scene, text: bytes) -> Text:
    size = scene.configuration.tag_length
    body, clear, tag = _split(scene, text, size)
    associated = _associated(scene, clear)
    if scene.configuration.mode == 9:
        plain = crypto.decrypt_gcm(_key(key, scene), _nonce(scene, 12), body + tag, associated, size)
    else:
        plain = crypto.decrypt_ccm(_key(key, scene), _nonce(scene, 13), body + tag, associated, size)
    return Text(plain + clear, tag)


def _protect_aead(key: bytes, scene: Scene, plain: bytes) -> bytes:
    size = scene.configuration.tag_length
    count = _share(scene.configuration, len(plain))
    clear = plain[count:]
    associated = _associated(scene, clear)
    if scene.configuration.mode == 9:
        text = crypto.encrypt_gcm(_key(key, scene), _nonce(scene, 12), plain[:count], associated, size)
    else:
        text = crypto.encrypt_ccm(_key(key, scene), _nonce(scene, 13), plain[:count], associated, size)
    return text[:count] + clear + text[count:]


def _ctr_block(scene: Scene) -> bytes:
    """M, A, the counter, zeros for frame and block: as the extended link layer's block is made [D]."""
    return scene.address.link + _counter(scene).to_bytes(4, "big") + bytes(4)


def _macs(key: bytes, scene: Scene, plain: bytes, cipher: bytes) -> bytes:
    """MAC 1 with the encryption key over the plain text, MAC 2 with the other over header, text and MAC 1 [D]."""
    first = crypto.cmac(_key(key, scene), plain, MAC_1)
    whole = scene.front + cipher + first
    return first + crypto.cmac(_key(key, scene, crypto.AUTHENTICATION), whole, MAC_2)


def _open_ctr(key: bytes, scene: Scene, text: bytes) -> Text:
    body, clear, macs = _split(scene, text, MAC_1 + MAC_2)
    plain = crypto.ctr(_key(key, scene), _ctr_block(scene), body) + clear
    if not compare_digest(_macs(key, scene, plain, body + clear), macs):
        raise TagMismatch("the MACs of security mode 8 are wrong: wrong key, or altered octets")
    return Text(plain, macs)


def _protect_ctr(key: bytes, scene: Scene, plain: bytes) -> bytes:
    count = _share(scene.configuration, len(plain))
    text = crypto.ctr(_key(key, scene), _ctr_block(scene), plain[:count]) + plain[count:]
    return text + _macs(key, scene, plain, text)


_OPEN = {5: _open_cbc, 7: _open_cbc, 8: _open_ctr, 9: _open_aead, 10: _open_aead}
_PROTECT = {5: _protect_cbc, 7: _protect_cbc, 8: _protect_ctr, 9: _protect_aead, 10: _protect_aead}


def open_text(key: bytes, scene: Scene, text: bytes) -> Text:
    """Return the application in clear. Raises `TagMismatch`, `DecodeError`, or `PolicyViolation` for other modes."""
    mode = scene.configuration.mode
    if mode == 0:
        return Text(text, b"")
    refuse(mode)
    return _OPEN[mode](key, scene, text)


def protect_text(key: bytes, scene: Scene, plain: bytes) -> bytes:
    """Return the application as it is sent, with its tag. The inverse of `open_text`."""
    mode = scene.configuration.mode
    if mode == 0:
        return plain
    refuse(mode)
    return _PROTECT[mode](key, scene, plain)


def message_mac(key: bytes, layer: AuthenticationLayer, scene: Scene, message: bytes) -> bytes:
    """Return the MAC of an authentication layer over `message`, which begins with CI (EN 13757-7, 6.3.7).

    The key is derived as the key information says or, without any, as the configuration field says.
    """
    if layer.authentication in GMAC_TYPES:
        raise PolicyViolation(f"authentication type {layer.authentication} (GMAC) is not supported")
    length = MAC_LENGTHS.get(layer.authentication, 0)
    if not length:
        raise PolicyViolation(f"authentication type {layer.authentication} has no MAC")
    information = layer.key_information
    derivation = scene.configuration.derivation if information is None else information.derivation
    mac_key = derived_key(key, derivation, scene, crypto.AUTHENTICATION)
    return crypto.cmac(mac_key, layer.fields + message, length)


def check_mac(key: bytes, layer: AuthenticationLayer, scene: Scene, message: bytes) -> None:
    """Compare the MAC of an authentication layer. Raises `TagMismatch`."""
    if layer.mac is None or not compare_digest(message_mac(key, layer, scene, message), layer.mac):
        raise TagMismatch("the MAC of the authentication layer is wrong: wrong key, or altered octets")

"""Opening protected APDUs for an explanation: what the header says, which key fits, what stands inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cosem.errors import CosemError, DecodeError, KeyMissing, TagMismatch
from cosem.explain.keyring import KeyEntry, Keyring
from cosem.security.control import SecurityControl
from cosem.security.gcm import TAG_LENGTH, unprotect


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of one protected APDU. `verified` is None where nobody gave an authentication key (or no tag is)."""

    fields: dict[str, Any]
    plain: bytes | None
    verified: bool | None
    problem: str | None = None


def control_fields(control: int) -> dict[str, Any]:
    """Explain a security control octet (Green Book 9.2.7.2.4.1)."""
    octet = SecurityControl(control)
    return {
        "suite": octet.suite,
        "authenticated": octet.authenticated,
        "encrypted": octet.encrypted,
        "key_set": "broadcast" if octet.broadcast else "unicast",
        "compressed": octet.compressed,
    }


def open_content(
    content: bytes, keyring: Keyring, *, title: bytes | None, request: bool, dedicated: bool = False
) -> Opened:
    """Explain and, if a key fits, open ``SC || IC || text [|| tag]``. Raises `DecodeError` where no header is there."""
    if len(content) < 5:
        raise DecodeError("a security header needs 5 octets", len(content), ("security-header",))
    control = SecurityControl(content[0])
    fields: dict[str, Any] = {
        "security_control": f"{content[0]:02x}",
        "sc": control_fields(content[0]),
        "invocation_counter": int.from_bytes(content[1:5], "big"),
    }
    tagged = control.authenticated
    if tagged and len(content) < 5 + TAG_LENGTH:
        raise DecodeError("no room for the authentication tag", len(content), ("security-header",))
    text = content[5 : len(content) - TAG_LENGTH] if tagged else content[5:]
    fields["text"] = text.hex()
    if tagged:
        fields["tag"] = content[-TAG_LENGTH:].hex()
    if control.compressed:
        return Opened(fields, None, None, "compressed: V.44 is not supported")
    if not control.authenticated and not control.encrypted:
        return Opened(fields, text, None)
    opened = _try_keys(content, keyring, control, title=title, request=request, dedicated=dedicated)
    if opened is not None:
        return Opened(fields, *opened)
    if not control.encrypted:
        # Authentication only: the text is readable, its author unproven.
        return Opened(fields, text, None)
    return Opened(fields, None, None)


def _try_keys(
    content: bytes, keyring: Keyring, control: SecurityControl, *, title: bytes | None, request: bool, dedicated: bool
) -> tuple[bytes | None, bool | None, str | None] | None:
    """Return (plain, verified, problem) of the first key that fits, or what to say where none does."""
    wrong_tag = False
    missing: str | None = None
    for entry, sender in keyring.candidates(title, request=request):
        key = _key(entry, keyring, control, dedicated=dedicated)
        if key is None:
            continue
        if len(sender) != 8:
            missing = f"a system title has 8 octets, this one {len(sender)}"
            continue
        try:
            opened = unprotect(key, entry.keys.authentication_key, sender, content, allow_unverified=not entry.verify)
        except TagMismatch:
            wrong_tag = True
        except KeyMissing:
            missing = "an authentication key is needed; `verify = false` in the key file opens it unverified"
        except CosemError as error:
            missing = str(error)
        else:
            if control.authenticated or _plausible(opened.plain):
                return opened.plain, opened.verified, None
    if wrong_tag:
        return None, False, "the authentication tag is wrong: wrong key, wrong title, or altered octets"
    return (None, None, missing) if missing else None


def _key(entry: KeyEntry, keyring: Keyring, control: SecurityControl, *, dedicated: bool) -> bytes | None:
    if dedicated:
        return entry.keys.dedicated_key or keyring.dedicated
    if control.broadcast:
        return entry.keys.global_broadcast_encryption_key
    return entry.keys.global_unicast_encryption_key


def _plausible(plain: bytes) -> bool:
    """Without a tag only the text itself can tell whether the key was right: it must be an APDU from end to end."""
    from cosem.apdu import parse
    from cosem.pushes.p1 import is_p1, parse_p1

    try:
        if is_p1(plain):
            parse_p1(plain)
            return True
        parse(plain)
    except DecodeError:
        return False
    return True

"""What explanations of a session must not give away: passwords, and keys that travel inside protected APDUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cosem.explain.tree import Explained, Explanation

HIDDEN: Final = "hidden"
_FIELDS: Final = ("auth_value", "dedicated_key", "plain_hex")
_PLACES: Final = frozenset({(15, "attribute", 7), (15, "method", 2), (72, "method", 7)})
"""Class 15: the secret, and the method that changes it. Class 72: the encryption key of an M-Bus meter."""
_CONTENTS: Final = ("value", "parameters", "block")


def secrets_in(explanation: Explanation) -> Iterator[tuple[bytes, int]]:
    """Yield what is secret in it as octets that stand there, and how many at their beginning are no secret.

    Before `hide_secrets`, which takes them away.
    """
    for frame in explanation.frames:
        for layer in frame.layers:
            fields = layer.fields
            if isinstance(found := fields.get("auth_value"), str) and found != HIDDEN:
                # With its tag and length: a password may be a digit, which stands everywhere.
                value = bytes.fromhex(found)
                yield bytes((0x80, len(value) & 0xFF)) + value, 2
            if isinstance(found := fields.get("dedicated_key"), str) and found != HIDDEN:
                yield bytes.fromhex(found), 0
            if _is_secret(fields):
                if frame.data is not None:
                    yield frame.data, 0
                if isinstance(block := fields.get("block"), dict):
                    yield bytes.fromhex(block["raw"]), 0


def hide_secrets(explanation: Explanation) -> None:
    """Take out of an explanation what would give a secret away."""
    for frame in explanation.frames:
        for layer in frame.layers:
            fields = layer.fields
            for name in _FIELDS:
                if fields.get(name):
                    fields[name] = HIDDEN
            if _is_secret(fields):
                for name in _CONTENTS:
                    if name in fields:
                        fields[name] = HIDDEN
                frame.value = frame.data = None
            if "info" in fields:
                fields["info"] = HIDDEN if fields["info"] and _inside_acse(frame) else fields["info"]


def _is_secret(fields: dict[str, Any]) -> bool:
    return any(fields.get("class") == place and fields.get(kind) == number for place, kind, number in _PLACES)


def _inside_acse(frame: Explained) -> bool:
    return any(layer.name == "aarq" for layer in frame.layers)

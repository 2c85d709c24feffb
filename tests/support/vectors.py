"""How a published case is compared with what the explainer says. Expectations are facts; ours must hold them all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cosem.explain import explain
from cosem.explain.keyring import KeyEntry, Keyring
from cosem.security.keys import Keys

SHARED = Path(__file__).parents[3] / "shared" / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    """Return the lines of a vector file, or an empty list where it is absent."""
    path = SHARED / name
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def keyring_of(case: dict[str, Any]) -> Keyring:
    """Return the keys that stand beside a case."""
    keys = case.get("keys")
    if not keys or not ("ek" in keys or "dedicated_key" in keys):
        return Keyring()
    title = bytes.fromhex(keys["system_title"]) if keys.get("system_title") else None
    entry = KeyEntry(
        "case",
        Keys(
            global_unicast_encryption_key=bytes.fromhex(keys["ek"]) if "ek" in keys else None,
            authentication_key=bytes.fromhex(keys["ak"]) if keys.get("ak") else None,
            dedicated_key=bytes.fromhex(keys.get("dedicated_key") or keys["ek"]),
        ),
        system_title=title,
        verify=bool(keys.get("ak")),
    )
    return Keyring((entry,))


def simplify(value: Any) -> Any:
    """Bring an expectation into the form of the command line: moments as hex, floats as they are."""
    if isinstance(value, dict):
        if "raw" in value and ("year" in value or "hour" in value):
            return value["raw"]
        return {key: simplify(item) for key, item in value.items()}
    if isinstance(value, list):
        return [simplify(item) for item in value]
    return value


def contains(actual: Any, expected: Any, path: str = "") -> list[str]:
    """Return what of `expected` is missing or different in `actual`; more in `actual` is welcome."""
    expected = simplify(expected)
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return [f"{path}: {actual!r} is not {expected!r}"]
        return [
            difference
            for key, item in expected.items()
            for difference in (
                contains(actual[key], item, f"{path}.{key}") if key in actual else [f"{path}.{key} is missing"]
            )
        ]
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return [f"{path}: not {len(expected)} elements"]
        return [
            d for i, (a, e) in enumerate(zip(actual, expected, strict=True)) for d in contains(a, e, f"{path}[{i}]")
        ]
    if isinstance(actual, dict) and "raw" in actual and isinstance(expected, str):
        actual = actual["raw"]
    return [] if actual == expected else [f"{path}: {actual!r} is not {expected!r}"]


def apdu_differences(layers: list[dict[str, Any]], expected: dict[str, Any]) -> list[str]:
    """Compare one expected APDU (protection and user information nested inside) with the layers of an explanation."""
    expected = dict(expected)
    name = expected.pop("apdu", None) or expected.pop("service")
    expected.pop("service", None)
    inner = expected.pop("plain", None) or expected.pop("user_information", None)
    expected.pop("quirk", None)
    names = [layer["layer"] for layer in layers]
    if name.lower() not in names:
        return [f"no layer {name.lower()} in {names}"]
    index = names.index(name.lower())
    found = contains(layers[index], expected, name)
    if inner is not None:
        found += apdu_differences(layers[index + 1 :], inner)
    return found


def explained(
    case: dict[str, Any], octets: bytes | None = None, keyring: Keyring | None = None
) -> list[dict[str, Any]]:
    """Return the frames of the explanation of a case as JSON."""
    octets = bytes.fromhex(case["hex"]) if octets is None else octets
    answer = explain(octets, keyring=keyring or keyring_of(case)).to_json()
    json.dumps(answer, allow_nan=False)
    return answer.get("frames") or [answer]

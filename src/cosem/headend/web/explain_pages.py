"""Explain: octets that somebody pastes, layer by layer, each octet with what it is.

Keys that come with them live for one request: they are not stored, not logged, and not written into the answer.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from cosem.errors import ConfigError
from cosem.explain.decode import KINDS
from cosem.explain.keyring import KeyEntry, Keyring
from cosem.explain.mbus import no_keys, one_key
from cosem.explain.pasted import octets_of_hex
from cosem.explain.sheets import MAX_OCTETS, METERS, Sheets, explain_text
from cosem.headend.web.explain_examples import EXAMPLES, Example
from cosem.headend.web.explain_view import LEGEND, sheet_kinds, views
from cosem.headend.web.frame import Frame, Framed, Signed, Visitor, fields
from cosem.mbus.keys import KeysOf
from cosem.security.keys import Keys

router = APIRouter(include_in_schema=False)
MAX_TEXT: Final = 400_000
"""Signs of a paste: 64 kB as hex, with separators and times between."""
MAX_KEY_TEXT: Final = 200
KEY_SIZES: Final = (16, 32)
TITLE_OCTETS: Final = 8
WORDS: Final = {
    "hdlc": "HDLC frames",
    "mbus": "M-Bus frames that carry DLMS",
    "wrapper": "wrapper frames (TCP and UDP)",
    "llc": "an LLC header and an APDU",
    "sfsk-mac": "power line frames (S-FSK)",
    "sfsk-llc": "a power line LLC (S-FSK)",
    "gateway": "a gateway prefix and an APDU",
    "p1": "a P1 telegram",
    "apdu": "an APDU",
    "data": "a value (A-XDR)",
    "mbus-telegrams": "M-Bus telegrams, wired and wireless",
    "mbus-message": "M-Bus, from CI on",
    "mbus-records": "M-Bus records alone",
}
"""What octets can be said to be."""
FIELDS: Final = {
    "ek": "Encryption key",
    "ak": "Authentication key",
    "dk": "Dedicated key",
    "mk": "M-Bus key",
    "title": "System title of the meter",
    "client": "System title of the client",
}
"""Keys and titles of the form; titles are no secrets, and are treated as if they were."""


@router.get("/explain")
async def show(
    frame: Framed, who: Signed, request: Request, example: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """Show the form, or one of the examples explained."""
    chosen = EXAMPLES.get(example)
    if chosen is None:
        return _page(frame, request, who)
    found = await explained(frame, chosen.text, None, chosen.keyring(), chosen.meters())
    return _page(frame, request, who, text=chosen.text, found=found, chosen=chosen)


@router.post("/explain")
async def explain(frame: Framed, who: Signed, request: Request) -> Response:
    """Explain what was pasted."""
    form = await fields(request)
    text, kind = str(form.get("text", "")), str(form.get("kind", ""))
    try:
        if len(text) > MAX_TEXT:
            text = ""
            raise ConfigError(f"this is too much at once: at most {MAX_OCTETS} octets, and {MAX_TEXT} signs")
        if kind not in WORDS and kind != "":
            kind = ""
            raise ConfigError("octets are one of the kinds in the list, or it is found out")
        keyring, meters = keys_of(form)
        country = str(form.get("country", "")).strip().upper()
        if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
            raise ConfigError("a country has two letters")
        found = await explained(frame, text, kind or None, keyring, meters, country or None)
    except ConfigError as error:
        return _page(frame, request, who, 400, text=text, kind=kind, problem=str(error))
    return _page(frame, request, who, text=text, kind=kind, country=country, found=found)


async def explained(
    frame: Frame, text: str, kind: str | None, keyring: Keyring, meters: KeysOf, country: str | None = None
) -> Sheets:
    """Explain text beside the pages of others. Raises `ConfigError`."""
    async with frame.explaining:
        return await asyncio.to_thread(explain_text, text, kind=kind, keyring=keyring, meters=meters, country=country)


def _page(
    frame: Frame,
    request: Request,
    who: Visitor,
    status: int = 200,
    *,
    text: str = "",
    kind: str = "",
    country: str = "",
    problem: str = "",
    found: Sheets | None = None,
    chosen: Example | None = None,
) -> Response:
    drawn: dict[str, Any] = drawing(found) if found is not None else {"views": [], "left_parts": 0, "legend": {}}
    return frame.page(
        request, "explain.html", who, status,
        text=text, kind=kind, country=country, problem=problem, found=found, chosen=chosen, kinds=WORDS,
        key_fields=FIELDS, examples=EXAMPLES, most=MAX_TEXT, **drawn,
    )  # fmt: skip


def drawing(found: Sheets) -> dict[str, Any]:
    """Return what the template of sheets is given."""
    drawn, left = views(found.parts)
    there = {kind for part in found.parts for kind in sheet_kinds(part.sheet)}
    return {
        "views": drawn,
        "left_parts": left,
        "legend": {str(what): words for what, words in LEGEND.items() if str(what) in there},
    }


def keys_of(form: Any) -> tuple[Keyring, KeysOf]:
    """Return the keys of a form. Raises `ConfigError`, which says what is wrong without the key."""
    given = {name: _octets(form, name, words) for name, words in FIELDS.items()}
    for name in ("title", "client"):
        if given[name] is not None and len(given[name] or b"") != TITLE_OCTETS:
            raise ConfigError(f"{FIELDS[name]}: {len(given[name] or b'')} octets, not {TITLE_OCTETS}")
    for name in ("ek", "ak", "dk", "mk"):
        if given[name] is not None and len(given[name] or b"") not in KEY_SIZES:
            raise ConfigError(f"{FIELDS[name]}: {len(given[name] or b'')} octets, not 16 (or 32 for suite 2)")
    meter = given["mk"] or given["ek"]
    meters = no_keys if meter is None or len(meter) != KEY_SIZES[0] else one_key(meter)
    if given["ek"] is None and given["dk"] is None and given["ak"] is None:
        return Keyring(), meters
    keys = Keys(
        given["ek"],
        given["ak"],
        # Which of both a telegram is protected under is in the telegram: one field serves.
        global_broadcast_encryption_key=given["ek"],
        dedicated_key=given["dk"],
    )
    # Without an authentication key what opens is shown, and said to be unproven.
    entry = KeyEntry("the form", keys, given["title"], given["client"], verify=given["ak"] is not None)
    return Keyring((entry,)), meters


def _octets(form: Any, name: str, words: str) -> bytes | None:
    text = str(form.get(name, "")).strip()
    if not text:
        return None
    if len(text) > MAX_KEY_TEXT:
        raise ConfigError(f"{words}: at most {MAX_KEY_TEXT} signs")
    octets = octets_of_hex(text)
    if octets is None:
        raise ConfigError(f"{words}: hex digits, two for an octet")
    return octets


assert set(WORDS) == set(KINDS) | set(METERS)

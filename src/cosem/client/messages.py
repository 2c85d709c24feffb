"""Messages to the customer as conversations: to the local port, and text or code to the display."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, NamedTuple

from cosem.association.steps import Step
from cosem.classes.c001_data import Data as DataObject
from cosem.client.core import Core
from cosem.codec.axdr import Data, Tag
from cosem.errors import AccessError, ConfigError
from cosem.obis import Obis

PORT, DISPLAY = Obis.parse("0-0:96.13.0"), Obis.parse("0-0:96.13.1")
"""Consumer messages to the local port and to the display (C = 96, D = 13)."""
_TEXTS: Final = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)
LONGEST: Final = 1024
"""Octets of a message: what P1 telegrams and meters take."""


class Messages(NamedTuple):
    """What a meter tells its customer now: empty is no message, None an object that the meter does not have."""

    port: str | None
    display: str | None


def messages(core: Core) -> Generator[Step, Any, Messages]:
    """Read both messages."""
    answers = yield from core.read_many([(DataObject.class_id, name, 2) for name in (PORT, DISPLAY)])
    return Messages(*(_text(answer) for answer in answers))


def send_message(
    core: Core, text: str | None = None, *, code: int | None = None, display: bool = False
) -> Generator[Step, Any, Messages]:
    """Replace the text at the port, or on the `display`, and the `code` on the display; return what stands then.

    An empty text takes a message away, None leaves it. Raises `ConfigError` where there are both a code and a text for
    the display, which has one object for either.
    """
    if code is not None and (display or code < 0):
        raise ConfigError("a code is not negative, and goes to the display instead of a text")
    written = [(DISPLAY if display else PORT, text), (DISPLAY, None if code is None else str(code))]
    if any(len(value.encode("utf-8")) > LONGEST for _, value in written if value is not None):
        raise ConfigError(f"a message has at most {LONGEST} octets")
    for name, value in written:
        if value is not None:
            present = yield from core.get_data(DataObject.class_id, name, 2)
            yield from core.set_data(DataObject.class_id, name, 2, _like(present, value, name))
    return (yield from messages(core))


def _text(answer: Data | AccessError) -> str | None:
    """Return a message as text; octets that are no text, and numbers, as they are written."""
    if isinstance(answer, AccessError) or answer.value is None:
        return None
    if isinstance(answer.value, bytes):
        return answer.value.decode("utf-8", "backslashreplace")
    return str(answer.value)


def _like(present: Data, text: str, name: Obis) -> Data:
    """Return a message in the type that the meter has; an octet-string where it shows nothing."""
    tag = Tag.OCTET_STRING if present.tag is Tag.NULL_DATA else present.tag
    if tag not in _TEXTS:
        raise ConfigError(f"{name} is no text but {present.tag.label}")
    if tag is Tag.VISIBLE_STRING and not text.isascii():
        raise ConfigError(f"{name} takes ASCII alone")
    return Data(tag, text.encode("utf-8") if tag is Tag.OCTET_STRING else text)

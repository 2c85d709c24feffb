"""`parse`: octets -> (invoke-id, service), through the table of tags."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from struct import error as StructError  # noqa: N812 - a class, though the standard library writes it small

from cosem.apdu.base import Parsed
from cosem.apdu.table import ROWS, find
from cosem.errors import DecodeError

_Parser = Callable[[bytes, bool], Parsed]


def parse(octets: bytes, *, checked: bool = True) -> Parsed:
    """Return the service that `octets`, one whole APDU, hold, and its invoke-id (None where it has none).

    With `checked` the `Data` inside is walked through and the initiate APDU inside ACSE is parsed, so that what is
    returned is sound to the last octet. Without, a `Data` that ends the APDU is taken as it is: for callers that
    decode it next, once. Raises `DecodeError`, and nothing else, for any octets.
    """
    if type(octets) is not bytes:
        octets = bytes(octets)
    try:
        return _parsers[octets[0]](octets, checked)
    except (IndexError, StructError):
        raise DecodeError("the octets end too early", len(octets), _path(octets)) from None
    except DecodeError as error:
        raise DecodeError(error.what, error.offset, (*_path(octets), *error.path)) from None


def _path(octets: bytes) -> tuple[str, ...]:
    row = find(octets)
    return () if row is None else (row.service,)


def _unknown(octets: bytes, checked: bool) -> Parsed:
    raise DecodeError(f"{octets[0]:02X} is not the tag of an APDU")


def _loading(module: str) -> _Parser:
    """Return a parser that imports the file of the family and puts the family's parsers in its place."""

    def load(octets: bytes, checked: bool) -> Parsed:
        family: dict[int, _Parser] = import_module(f"cosem.apdu.{module}").PARSERS
        for tag, parser in family.items():
            _parsers[tag] = parser
        return family[octets[0]](octets, checked)

    return load


_parsers: list[_Parser] = [_unknown] * 256
for _row in ROWS:
    _parsers[_row.tag] = _loading(_row.module)

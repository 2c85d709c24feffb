"""Devices in and out: as CSV, as JSON, and as the file that comes with a shipment from the factory.

All of a file is taken or nothing of it; every row that is refused is named by its line. Keys come in wrapped under a
transport key, or beside in a key file; they never go out.

A row has the fields of `FIELDS` and, where it brings keys, columns named as in a key file: keys wrapped by AES key wrap
(RFC 3394), passwords and secrets by AES key wrap with padding (RFC 5649), in hex digits.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection

from cosem.client.keyfile import KeyFile
from cosem.errors import ConfigError, CosemError
from cosem.headend.audit import record
from cosem.headend.inventory import ELSEWHERE, FREED, METER, DeviceRow, Inventory, Kind, NewDevice, State
from cosem.headend.vault import KeyStore, Purpose

FIELDS: Final = (
    "name", "kind", "type", "segment", "url", "system_title", "parent", "channel", "meter", "place", "tags", "state",
)  # fmt: skip
SECRETS: Final = frozenset({Purpose.PASSWORD, Purpose.HLS_SECRET})
"""What is wrapped with padding: it has any length."""
MAX_ROWS: Final = 1_000_000
MAX_PROBLEMS: Final = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: where it stands, the device, its state, and its keys in clear."""

    line: int
    device: NewDevice
    state: State = State.REGISTERED
    secrets: Mapping[Purpose, bytes] = field(default_factory=dict, repr=False)


class Refused(ConfigError):
    """A file of devices was not taken. `problems` has the line and the reason of each row that is wrong."""

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        self.problems = tuple(problems)
        shown = "; ".join(f"line {line}: {why}" for line, why in self.problems[:5])
        more = f"; and {len(self.problems) - 5} more" if len(self.problems) > 5 else ""
        super().__init__(f"nothing was imported: {shown}{more}")


def read_rows(text: str, *, transport_key: bytes | None = None, key_file: KeyFile | None = None) -> list[Row]:
    """Return the rows of a file, CSV or JSON as it looks. `key_file` has sections named as devices.

    Raises `Refused` with every row that is wrong, `ConfigError` for what is no such file.
    """
    documents = _json_rows(text) if text.lstrip()[:1] in ("{", "[") else _csv_rows(text)
    rows: list[Row] = []
    problems: list[tuple[int, str]] = []
    for line, document in documents:
        if len(rows) + len(problems) >= MAX_ROWS:
            raise ConfigError(f"a file has at most {MAX_ROWS} devices")
        try:
            rows.append(_row(line, document, transport_key, key_file))
        except CosemError as error:
            problems.append((line, str(error)))
    seen: dict[str, int] = {}
    for row in rows:
        first = seen.setdefault(row.device.name, row.line)
        if first != row.line:
            problems.append((row.line, f"device {row.device.name} stands in line {first} already"))
    if problems:
        raise Refused(sorted(problems)[:MAX_PROBLEMS])
    return rows


def _csv_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        names = reader.fieldnames or []
    except csv.Error as error:
        raise ConfigError(f"the first line is no CSV: {error}") from None
    _known(names)
    if "name" not in names:
        raise ConfigError(f"the first line of a CSV file of devices names the columns, of {', '.join(FIELDS)} and keys")
    try:
        for document in reader:
            if None in document or None in document.values():
                # Told by the row, so that it stands among the others that are wrong.
                yield reader.line_num, {"": f"{len(names)} columns are expected"}
            else:
                yield reader.line_num, {name: value.strip() for name, value in document.items() if value.strip()}
    except csv.Error as error:
        raise ConfigError(f"line {reader.line_num} is no CSV: {error}") from None


def _json_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the devices of a list, or of the `devices` of a document; JSON lines too. A row's line is its number."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise ConfigError("a file of devices is not as deep as this") from None
    except ValueError:
        content = [_json_line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if isinstance(content, dict) and "devices" in content:
        content = content["devices"]
    elif isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise ConfigError("a JSON file of devices is a list, or has a list of devices")
    for number, item in enumerate(content, 1):
        if not isinstance(item, dict):
            yield number, {"": "a device is an object"}
            continue
        document = dict(item)
        keys = document.pop("keys", {})
        if not isinstance(keys, dict):
            yield number, {"": "the keys of a device are an object"}
            continue
        document |= keys
        yield number, {name: value for name, value in document.items() if value not in (None, "", [])}


def _json_line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"line {number} is no JSON: {error}") from None


def _known(names: Iterable[str]) -> None:
    for name in names:
        if name not in FIELDS and name not in set(Purpose) and name != "details":
            raise ConfigError(f"{name!r} is no column of a file of devices; there are: {', '.join(FIELDS)} and keys")


def _row(line: int, document: Mapping[str, Any], transport_key: bytes | None, key_file: KeyFile | None) -> Row:
    if "" in document:
        raise ConfigError(document[""])
    _known(document)
    if "name" not in document or "kind" not in document:
        raise ConfigError("a device has a name and a kind")
    channel = document.get("channel")
    tags = document.get("tags", ())
    texts = {name: document[name] for name in ("name", "url", "system_title", "parent", "type", "place", "segment")
             if name in document}  # fmt: skip
    if not all(isinstance(value, str) for value in texts.values()):
        raise ConfigError("name, type, segment, url, system_title, parent and place are texts")
    if not isinstance(tags, (str, list, tuple)) or not isinstance(document.get("details", {}), dict):
        raise ConfigError("tags are a list of texts, details an object")
    try:
        json.dumps(dict(document), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ConfigError("there are characters in it that are none") from None
    device = NewDevice(
        kind=_member(Kind, document["kind"], "kind"),
        channel=None if channel is None else _channel(channel),
        tags=tuple(tags.split(";")) if isinstance(tags, str) else tuple(str(tag) for tag in tags),
        details=document.get("details", {}) | ({METER: document["meter"]} if "meter" in document else {}),
        **{"segment": ELSEWHERE, **texts},
    )
    state = _member(State, document.get("state", State.REGISTERED), "state")
    secrets = {
        purpose: _unwrapped(purpose, document[purpose], transport_key) for purpose in Purpose if purpose in document
    }
    if key_file is not None:
        secrets |= secrets_of(key_file, device.name)
    return Row(line, device, state, secrets)


def _member(kind: Any, text: Any, what: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no {what}; there are: {', '.join(kind)}") from None


def _channel(text: Any) -> int:
    try:
        number = int(text)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= 255 or isinstance(text, (bool, float)):
        raise ConfigError(f"{text!r} is no channel, 0 to 255")
    return number


def _unwrapped(purpose: Purpose, text: Any, transport_key: bytes | None) -> bytes:
    """Return a key in clear. What is wrong is told without the key."""
    from cryptography.hazmat.primitives.keywrap import (
        InvalidUnwrap,
        aes_key_unwrap,
        aes_key_unwrap_with_padding,
    )

    if transport_key is None:
        raise ConfigError(f"{purpose} is wrapped, and no transport key was given")
    try:
        wrapped = bytes.fromhex(text)
        unwrap = aes_key_unwrap_with_padding if purpose in SECRETS else aes_key_unwrap
        return unwrap(transport_key, wrapped)
    except (InvalidUnwrap, ValueError, TypeError):
        raise ConfigError(f"{purpose} does not open with this transport key") from None


def wrapped(purpose: Purpose, secret: bytes, transport_key: bytes) -> str:
    """Return a key as a shipment file has it."""
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap, aes_key_wrap_with_padding

    wrap = aes_key_wrap_with_padding if purpose in SECRETS else aes_key_wrap
    return wrap(transport_key, secret).hex()


def secrets_of(key_file: KeyFile, name: str) -> dict[Purpose, bytes]:
    """Return what a key file says of a device: its section over the defaults, or the defaults alone."""
    given = key_file.device(name if name in key_file.names else None)
    values = {
        Purpose.UNICAST: given.keys.global_unicast_encryption_key,
        Purpose.AUTHENTICATION: given.keys.authentication_key,
        Purpose.BROADCAST: given.keys.global_broadcast_encryption_key,
        Purpose.MASTER: given.keys.master_key,
        Purpose.PASSWORD: given.password,
        Purpose.HLS_SECRET: given.hls_secret,
        Purpose.MBUS: given.mbus_key,
        Purpose.MBUS_DEFAULT: given.mbus_default_key,
    }
    return {purpose: secret for purpose, secret in values.items() if secret is not None}


def import_rows(connection: Connection, keys: KeyStore, rows: Sequence[Row], who: str, now: int) -> int:
    """Take the rows in the caller's transaction; return how many. Raises `Refused`, after which nothing may stay.

    A device may stand before what it hangs behind.
    """
    inventory = Inventory(connection)
    waiting, problems = list(rows), list[tuple[int, str]]()
    coming = {row.device.name for row in rows}
    while waiting:
        later = [row for row in waiting if row.device.parent in coming]
        ready = [row for row in waiting if row.device.parent not in coming]
        if not ready:
            problems += [(row.line, f"{row.device.name} hangs behind itself") for row in later]
            break
        for row in ready:
            try:
                _add(connection, inventory, keys, row, now)
            except CosemError as error:
                problems.append((row.line, str(error)))
        coming -= {row.device.name for row in ready}
        waiting = later
    if problems:
        raise Refused(sorted(problems)[:MAX_PROBLEMS])
    record(connection, now, who, "import devices", "inventory", after={"devices": len(rows)})
    return len(rows)


def _add(connection: Connection, inventory: Inventory, keys: KeyStore, row: Row, now: int) -> None:
    number = inventory.add(row.device, now)
    if row.state is not State.REGISTERED:
        inventory.move(row.device.name, row.state, now)
    keys.put(connection, number, row.secrets, now)


def documents(connection: Connection, **chosen: Any) -> Iterator[dict[str, Any]]:
    """Yield devices as rows of a file, by what `Inventory.page` takes. Keys are not in them."""
    inventory = Inventory(connection)
    after = 0
    while page := inventory.page(after=after, limit=1000, **chosen):
        after = page[-1].id
        for row in page:
            yield _document(row, inventory.tags(row.id))


def _document(row: DeviceRow, tags: tuple[str, ...]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in FIELDS if name != "tags"}
    document = {name: value for name, value in values.items() if value not in (None, "")}
    if tags:
        document["tags"] = list(tags)
    if details := {name: value for name, value in row.details.items() if name not in (METER, FREED)}:
        document["details"] = details
    return {name: str(value) if isinstance(value, (Kind, State)) else value for name, value in document.items()}


def to_csv(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file of devices."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, FIELDS, lineterminator="\n")
    writer.writeheader()
    for item in items:
        row = {name: value for name, value in item.items() if name in FIELDS}
        writer.writerow({**row, "tags": ";".join(item.get("tags", ()))})
        yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text

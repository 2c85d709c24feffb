"""Traces: what went over the line, as frames and, opened with the key file, as PDUs. Keys are never shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cosem.explain.keyring import Keyring


def trace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of traces to a command: `verbose` and `trace_file`."""
    for option in (
        click.option(
            "--trace", "trace_file", type=click.Path(path_type=Path), help="Write frames and PDUs as JSON lines."
        ),
        click.option("-v", "verbose", count=True, help="Trace frames (-v) and PDUs (-vv) on standard error."),
    ):
        command = option(command)
    return command


class Tracer:
    """Prints (``-v`` octets, ``-vv`` explained) and writes JSON lines to a file."""

    def __init__(self, verbose: int, file: Path | None, url: str, key_file: Path | None) -> None:
        self.verbose = verbose
        self._path = file
        self._file: IO[str] | None = None
        self._keyring: Keyring | None = None
        self._secrets: list[bytes] = []
        self._url = url
        self._key_file = key_file
        self._start = time.monotonic()

    @property
    def wanted(self) -> bool:
        """Whether anything is to be traced."""
        return bool(self.verbose) or self._path is not None

    def __enter__(self) -> Tracer:
        if self._path is not None:
            self._file = self._path.open("w", encoding="utf-8")
        if self.wanted:
            from cosem.cli.keys import keyring_from_file
            from cosem.client.keyfile import KeyFile
            from cosem.client.url import MeterUrl

            device = MeterUrl.parse(self._url, pushes=True).device
            self._keyring = keyring_from_file(self._key_file, device)
            keys = KeyFile.find(self._key_file).device(device)
            self._secrets = [secret for secret in (keys.password, keys.hls_secret) if secret]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def sink(self) -> Callable[[str, bytes], None] | None:
        """What takes writes and reads, None where nothing is to be traced."""
        return self.octets if self.wanted else None

    def octets(self, direction: str, octets: bytes) -> None:
        """Take one write (``>``) or read (``<``)."""
        from cosem.explain import explain
        from cosem.explain.secrets import hide_secrets

        at = time.monotonic() - self._start
        shown = self._masked(octets)
        explanation = None
        if self.verbose > 1 or self._file is not None:
            explanation = explain(octets, keyring=self._keyring)
            hide_secrets(explanation)
        if self._file is not None and explanation is not None:
            line = {"at": round(at, 6), "direction": direction, "octets": shown.hex(), **explanation.to_json()}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        if self.verbose:
            click.echo(f"{at:9.3f} {direction} {shown.hex(' ')}", err=True)
        if self.verbose > 1 and explanation is not None:
            from cosem.explain.text import render

            for text in render(explanation):
                click.echo(f"{'':12}{text}", err=True)

    def _masked(self, octets: bytes) -> bytes:
        """Return octets in which secrets are overwritten by asterisks: an AARQ carries a password as it is."""
        for secret in self._secrets:
            octets = octets.replace(secret, b"*" * len(secret))
        return octets

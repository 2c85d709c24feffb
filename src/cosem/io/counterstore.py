"""Invocation counters in a file: a lease is on the disk before its first counter is used."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cosem.errors import ConfigError
from cosem.security.counters import END, next_block


def default_path() -> Path:
    """Return where counters are kept unless told otherwise: ``COSEM_COUNTERS``, or the user's state directory."""
    if named := os.environ.get("COSEM_COUNTERS"):
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "cosem" / "counters.json"


class FileCounterStore:
    """A `cosem.security.counters.CounterStore` in a JSON file, shared safely by processes of one machine.

    Every change is written beside the file, flushed to the disk and renamed over it, under a lock. A file that cannot
    be read is refused, never replaced: guessing a counter would repeat one.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        # Resolved, so that a file reached under two names has one lock, and is not replaced by way of a link to it.
        self.path = (Path(path) if path is not None else default_path()).resolve()

    def lease(self, name: str, count: int, at_least: int = 0) -> tuple[int, int]:
        """Persist and return the next block. Raises `CounterExhausted`, and `ConfigError` for an unusable file."""
        with self._locked() as content:
            sending = content["sending"]
            first, behind = next_block(sending.get(name, 0), count, at_least)
            sending[name] = behind
        return first, behind

    def last_received(self, name: str) -> int | None:
        """Return the last accepted counter, or None."""
        return self._load()["received"].get(name)

    def commit_received(self, name: str, counter: int) -> None:
        """Persist the last accepted counter."""
        with self._locked() as content:
            content["received"][name] = counter

    @contextlib.contextmanager
    def _locked(self) -> Iterator[dict[str, dict[str, int]]]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path.with_name(f"{self.path.name}.lock"), "a", encoding="ascii") as lock:
                _lock(lock.fileno())
                content = self._load()
                yield content
                self._save(content)
        except OSError as error:
            raise ConfigError(f"the counters in {self.path} cannot be kept: {error.strerror}") from None

    def _load(self) -> dict[str, dict[str, int]]:
        try:
            content = json.loads(self.path.read_text(encoding="ascii"))
        except FileNotFoundError:
            content = {}
        except (ValueError, OSError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise self._unusable()
        return {part: self._counters(content.get(part, {})) for part in ("sending", "received")}

    def _counters(self, part: Any) -> dict[str, int]:
        if not isinstance(part, dict) or not all(type(item) is int and 0 <= item <= END for item in part.values()):
            raise self._unusable()
        return part

    def _unusable(self) -> ConfigError:
        return ConfigError(f"{self.path} holds no invocation counters; mend it or name another file")

    def _save(self, content: dict[str, dict[str, int]]) -> None:
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                json.dump(content, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:  # no such lock on this system: one process at a time is the user's care there
        return
    fcntl.flock(handle, fcntl.LOCK_EX)

"""Conversations as drivers see them: what runs, what a driver does for it, and the face of the machine that runs it.

A conversation is a generator that yields steps. The machine carries out those that are about its protocol; those
here are the same for every protocol, and the driver carries out `Save`, `Dial` and `Hangup`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from cosem.errors import LocalProtocolError
from cosem.link.base import Machine

T = TypeVar("T")


class Sleep(NamedTuple):
    """Wait `seconds` of the machine's time."""

    seconds: float


class Save(NamedTuple):
    """Have the driver call `action` (blocking: a file, a database) off the event loop; answers with its result.

    This is how invocation counters are leased: persisted before they are used, never inside the machine.
    """

    action: Callable[[], Any]


class Dial(NamedTuple):
    """Open the transport (again). Raises `ConnectionLost` or `Timeout` in the conversation if that fails."""


class Hangup(NamedTuple):
    """Close the transport."""


class Running(Generic[T]):
    """A conversation under way. When `done`, either `result` or `error` is there."""

    __slots__ = ("done", "error", "generator", "result", "waits_for")

    def __init__(self, generator: Generator[Any, Any, T]) -> None:
        self.generator = generator
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None
        self.waits_for: Any = None

    def outcome(self) -> T:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        if not self.done:
            raise LocalProtocolError("the conversation is not finished")
        return self.result  # type: ignore[return-value]


class Conversing(Machine, Protocol):
    """A machine that runs conversations: what a driver needs of it."""

    def start(self, conversation: Generator[Any, Any, T], now: float) -> Running[T]:
        """Start a conversation and advance it as far as it goes."""

    def cancel(self, running: Running[Any], now: float) -> None:
        """Throw `Cancelled` into a conversation."""

    def driver_step(self) -> tuple[Running[Any], Save | Dial | Hangup] | None:
        """Return the next step the driver has to carry out and answer, or None."""

    def answer(self, running: Running[Any], value: Any, now: float, error: BaseException | None = None) -> None:
        """Hand the outcome of a driver step back."""

"""Conversations under way, advanced from a queue: any number of pushes or answers in one read costs no stack."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, TypeVar

from cosem.errors import Cancelled, CosemError
from cosem.link.conversing import Dial, Hangup, Running, Save

T = TypeVar("T")

MAX_NOTIFICATIONS = 10_000
"""Unread pushes kept; beyond it the oldest goes, and `lost_notifications` counts it."""

MAX_NOTIFICATION_OCTETS = 16 * 1024 * 1024
"""Octets of unread pushes kept, for the same reason."""


class Scheduler:
    """Starts, wakes, puts to sleep and cancels conversations; `carry_out` does what their steps ask of the machine."""

    def __init__(self, carry_out: Callable[[Running[Any], Any], None]) -> None:
        self._carry_out = carry_out
        self.ready: deque[tuple[Running[Any], Any, BaseException | None]] = deque()
        self.driver: deque[tuple[Running[Any], Save | Dial | Hangup]] = deque()
        self.lost_notifications = 0
        self._advancing = False
        self._sleeping: list[tuple[float, Running[Any]]] = []
        self._listening: deque[tuple[Running[Any], float | None]] = deque()
        self._notifications: deque[tuple[Any, int]] = deque()
        self._notification_octets = 0

    def begin(self, conversation: Generator[Any, Any, T]) -> Running[T]:
        """Put a conversation into the queue."""
        running = Running(conversation)
        self.resume(running)
        return running

    def resume(self, running: Running[Any]) -> None:
        """Put a conversation that was made elsewhere into the queue, or one that goes on without an answer."""
        self.ready.append((running, None, None))

    def wake(self, running: Running[Any], value: Any = None, error: BaseException | None = None) -> None:
        """Let a conversation go on with `value`, or with `error` raised in it, when its turn comes."""
        self.ready.append((running, value, error))

    def advance(self) -> None:
        """Advance all conversations that wait for nothing more."""
        if self._advancing:
            return
        self._advancing = True
        ready = self.ready
        try:
            while ready:
                running, value, error = ready.popleft()
                if running.done:
                    continue
                try:
                    step = running.generator.throw(error) if error is not None else running.generator.send(value)
                except StopIteration as stop:
                    running.result, running.done = stop.value, True
                except Exception as raised:
                    running.error, running.done = raised, True
                else:
                    try:
                        self._carry_out(running, step)
                    except CosemError as refused:
                        self.wake(running, error=refused)
        finally:
            self._advancing = False

    def cancel(self, running: Running[Any]) -> None:
        """Throw `Cancelled` into a conversation; its clean-up may not ask for anything more."""
        self._sleeping = [item for item in self._sleeping if item[1] is not running]
        self._listening = deque(item for item in self._listening if item[0] is not running)
        self.driver = deque(item for item in self.driver if item[0] is not running)
        error = Cancelled("the conversation was cancelled")
        try:
            running.generator.throw(error)
        except StopIteration as stop:
            running.result, running.done = stop.value, True
        except BaseException as raised:
            running.error, running.done = raised, True
        else:
            with suppress(RuntimeError):
                # A generator that yields once more even now is left to the garbage collector.
                running.generator.close()
            running.error, running.done = error, True

    # --- waiting -------------------------------------------------------------------------------------------

    def sleep(self, running: Running[Any], until: float) -> None:
        """Wake a conversation at `until`."""
        self._sleeping.append((until, running))

    def listen(self, running: Running[Any], until: float | None) -> None:
        """Wake a conversation with the next notification, or with None at `until`."""
        if self._notifications:
            service, size = self._notifications.popleft()
            self._notification_octets -= size
            self.wake(running, service)
        else:
            self._listening.append((running, until))

    def notify(self, service: Any, size: int) -> None:
        """Hand a notification of `size` octets to whoever listens, or keep it."""
        if self._listening:
            self.wake(self._listening.popleft()[0], service)
            return
        kept = self._notifications
        kept.append((service, size))
        self._notification_octets += size
        while len(kept) > MAX_NOTIFICATIONS or self._notification_octets > MAX_NOTIFICATION_OCTETS:
            self._notification_octets -= kept.popleft()[1]
            self.lost_notifications += 1

    def stop_listening(self, error: CosemError) -> None:
        """Raise `error` in all conversations that listen."""
        while self._listening:
            self.wake(self._listening.popleft()[0], error=error)

    def times(self) -> list[float]:
        """Return when sleeps and the waits of listeners end."""
        times = [due for due, _ in self._sleeping] if self._sleeping else []
        if self._listening:
            times += [until for _, until in self._listening if until is not None]
        return times

    def handle_timer(self, now: float) -> None:
        """Wake those whose sleep, or wait for a notification, has ended."""
        if self._sleeping:
            due = [running for at, running in self._sleeping if at <= now]
            self._sleeping = [(at, running) for at, running in self._sleeping if at > now]
            for running in due:
                self.wake(running)
        if self._listening:
            late = [running for running, until in self._listening if until is not None and until <= now]
            self._listening = deque(item for item in self._listening if item[1] is None or item[1] > now)
            for running in late:
                self.wake(running, None)

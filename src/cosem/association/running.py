"""What the machine of the initiating side keeps of a conversation, of a service and of a batch under way."""

from __future__ import annotations

from collections import deque
from typing import Any

from cosem.association.calls import Under
from cosem.association.steps import Calls
from cosem.errors import CosemError
from cosem.link.conversing import Running as Running


class UnderWay:
    """A service under way, the conversation that waits for it, and its deadline."""

    __slots__ = ("call", "deadline", "index", "invoke", "last_refusal", "running", "service", "timeout")

    def __init__(self, call: Under, running: Any, invoke: int | None, timeout: float, deadline: float) -> None:
        self.call = call
        self.running = running
        self.invoke = invoke
        self.timeout = timeout
        self.deadline = deadline
        self.index = 0
        self.service = call.first.service
        self.last_refusal: CosemError | None = None


class Batch:
    """The state of a `Calls` step."""

    __slots__ = ("answers", "left", "running", "step", "waiting")

    def __init__(self, step: Calls, running: Running[Any]) -> None:
        self.step = step
        self.running = running
        self.answers: list[Any] = [None] * len(step.services)
        self.waiting = deque(enumerate(step.services))
        self.left = len(step.services)

"""A client and a device in memory, with everything a `Meter` does as conversations."""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.client.core import ClientOptions, Core
from cosem.client.short_names import ShortNameCore
from cosem.io.memory import MemoryDriver
from cosem.link.hdlc.link import HdlcLink
from cosem.link.memory import PERFECT, LineQuality, LossyPipe
from cosem.link.wrapper import WrapperLink
from cosem.security.counters import MemoryCounterStore

COUNTERS = MemoryCounterStore()
"""Of all clients under one key and title: meters that tests share must never see an old one."""


class Line:
    """One client of a device; `core` is what it can do, `run` does it."""

    def __init__(
        self,
        device: Any,
        *,
        hdlc: bool = False,
        quality: LineQuality = PERFECT,
        seed: int = 1,
        options: ClientOptions | None = None,
        **settings: Any,
    ) -> None:
        rnd = random.Random(seed)
        given = {"system_title": b"CSMclien", "lease": lambda count: COUNTERS.lease("key", count)} | settings
        link: Any = HdlcLink if hdlc else WrapperLink
        self.settings = AssociationSettings(**given)
        initiator = Initiator(link(), self.settings)
        self.responder = Responder(link(server=True), device, rnd.randbytes)
        self.driver = MemoryDriver(initiator, self.responder, LossyPipe(rnd.random, quality))
        kind = ShortNameCore if self.settings.referencing == "sn" else Core
        self.core: Any = kind(initiator, rnd.randbytes, options)

    def run(self, conversation: Generator[Any, Any, Any]) -> Any:
        """Run one conversation to its end."""
        return self.driver.run(conversation)

    def open(self) -> Line:
        """Associate."""
        self.run(self.core.open())
        return self

    def call(self, step: Any) -> Any:
        """Carry out one step."""

        def talk() -> Generator[Any, Any, Any]:
            return (yield step)

        return self.run(talk())

"""A device made from a model, or any other, and a client of it, in memory."""

from __future__ import annotations

from typing import Any

from cosem.association.initiator import Initiator
from cosem.association.responder import Responder
from cosem.association.settings import AssociationSettings
from cosem.client.core import Core
from cosem.client.short_names import ShortNameCore
from cosem.client.survey import survey
from cosem.device.model import ModelMeter
from cosem.device.random import SeededRandom
from cosem.io.memory import MemoryDriver
from cosem.link.wrapper import WrapperLink
from cosem.models import DeviceModel
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_KEYS, DEMO_PASSWORD, DEMO_SECRET

START = 1_711_850_000
"""2024-03-31T01:53:20Z."""


def made(model: DeviceModel, start: int = START) -> ModelMeter:
    """Return the meter of a model, with the example keys."""
    return ModelMeter(
        model, start, SeededRandom(1), keys=DEMO_KEYS, password=DEMO_PASSWORD, secret=DEMO_SECRET, simulation=True
    )


class Reader:
    """A client that is associated with a device."""

    def __init__(
        self, device: Any, client: int, *, mechanism: int = 0, policy: int = 0, server: int = 1, referencing: str = "ln"
    ) -> None:
        counters = MemoryCounterStore()
        settings = AssociationSettings(
            client_sap=client,
            server_sap=server,
            mechanism=mechanism,
            secret=DEMO_PASSWORD if mechanism == 1 else DEMO_SECRET,
            protection=policy << 4,
            referencing=referencing,
            keys=DEMO_KEYS,
            system_title=b"CLIENT\x00\x01",
            lease=lambda number: counters.lease("client", number),
        )
        machine = Initiator(WrapperLink(), settings)
        self.core = (ShortNameCore if referencing == "sn" else Core)(machine, SeededRandom(2))
        self.driver = MemoryDriver(machine, Responder(WrapperLink(server=True), device, SeededRandom(3)))
        self.driver.run(self.core.open())

    def model(self, **options: Any) -> DeviceModel:
        """Return the model that this client reads."""
        return self.driver.run(survey(self.core, **options))

    def run(self, talk: Any) -> Any:
        """Run a conversation."""
        return self.driver.run(talk)


def reader_of(meter: ModelMeter, client: int, server: int = 1) -> Reader:
    """Return a client as the model says it has to come."""
    for device, association in meter.model.associations:
        if (device.sap, association.client) == (server, client):
            mechanism, policy = association.mechanism, association.policy
            names = association.referencing
            return Reader(meter.device, client, mechanism=mechanism, policy=policy, server=server, referencing=names)
    raise LookupError(client)

"""Simulated utility meters of the models in the package, and the other side's keys."""

from __future__ import annotations

from typing import Any

from cosem.device.utility.consumption import (
    Consumption,
    ElectricityConsumption,
    GasConsumption,
    HeatConsumption,
    WaterConsumption,
)
from cosem.device.utility.speaker import Speaker, simulated
from cosem.mbus.keys import KeyStore
from cosem.mbus.model import Model, models
from cosem.mbus.wireless import Address

START = 1_774_652_400  # midnight in central Europe, 28 March 2026
DEFAULT_KEY = bytes(range(16))
KEY = bytes(range(0x40, 0x50))
NEW_KEY = bytes(range(0x80, 0x90))
CONSUMPTIONS: dict[str, Consumption] = {
    "gas": GasConsumption(3),
    "water": WaterConsumption(3),
    "warm water": WaterConsumption(3, warm=True),
    "heat": HeatConsumption(3),
    "electricity": ElectricityConsumption(3),
}
SIMULATED = [model for model in models() if model.simulated]


def speaker(model: str | Model, *, key: bytes | None = None, **more: Any) -> Speaker:
    """Return a meter of a model, with the default key that it came with."""
    model = models().named(model) if isinstance(model, str) else model
    consumption = more.pop("consumption", CONSUMPTIONS.get(str(model.simulated.get("medium"))))
    more = {"identification": "12345678", "default_key": DEFAULT_KEY} | more
    return simulated(model, consumption, START, key=key, **more)


def store(address: Address, key: bytes) -> KeyStore:
    """Return what the other side has: the key under the ids that the models use."""
    keys = KeyStore()
    for key_id in (0, 2):
        keys.add(address, key, key_id)
    return keys

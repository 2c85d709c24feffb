"""A simulated electricity meter with a life behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from cosem.classes.c111_account import AccountStatus
from cosem.device.load import Household
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.payment import PaymentSettings
from cosem.device.random import SeededRandom
from cosem.errors import ConfigError
from cosem.security.counters import MemoryCounterStore
from cosem.security.keys import Keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DEMO_KEYS = Keys(
    global_unicast_encryption_key=bytes(range(0x10)),
    authentication_key=bytes(range(0xD0, 0xE0)),
    global_broadcast_encryption_key=bytes(range(0x20, 0x30)),
    master_key=bytes(range(0x10, 0x20)),
)
"""Keys that stand in every example, here and elsewhere: worth nothing, and meant so."""
DEMO_PASSWORD = b"12345678"
DEMO_SECRET = b"0123456789abcdef"
DEMO_SIGNING_KEY = bytes(range(0x40, 0x60))
"""The private key (Ed25519) of example images; anybody may sign with it."""
DEMO_IMAGE_KEY = bytes.fromhex("2543b92ff1095511476adc8369db6ddc933665a11978dda1404ee1066ca9559d")
"""The public key that belongs to it."""

DEMO_TOKEN_KEY = bytes(range(0x60, 0x70))
"""The key that example tokens are made with; anybody may print money with it."""


def demo_payment(credit: int) -> PaymentSettings:
    """Return how an example meter is paid, with this credit (in thousandths) from the present on."""
    return PaymentSettings(token_key=DEMO_TOKEN_KEY, credit=credit, active=False)


def demo_signing_key() -> Ed25519PrivateKey:
    """Return the private key of example images."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(DEMO_SIGNING_KEY)


def demo_settings(seed: int) -> MeterSettings:
    """Return how a meter is built unless something else is said: with the keys of every example."""
    return MeterSettings(
        system_title=b"CSM" + (0x0100000000 + seed).to_bytes(5, "big"),
        serial=f"{10_000_000 + seed}",
        keys=DEMO_KEYS,
        secret=DEMO_SECRET,
        password=DEMO_PASSWORD,
        image_key=DEMO_IMAGE_KEY,
    )


def simulated_meter(
    *,
    seed: int = 1,
    end: datetime,
    days: float = 31,
    settings: MeterSettings | None = None,
    utilities: Sequence[str] = (),
    load: Household | None = None,
) -> ElectricityMeter:
    """Return a meter that has lived `days` until `end` (an aware date-time). The same arguments give the same meter.

    `utilities` stand behind it on its M-Bus: names as `cosem.simulator.utilities.kinds_of` gives them. `load` is
    the household that it measures; they share its weather. The account of a
    payment meter is active from `end` on at the latest: what was used before costs nothing.
    """
    if end.tzinfo is None:
        raise ValueError("the end of a simulation is an aware date-time")
    until = int(end.timestamp())
    start = until - int(days * 86400)
    settings = settings or demo_settings(seed)
    load = load or Household(seed)
    if utilities and settings.mbus is None:
        from cosem.simulator.utilities import mbus_settings

        settings = replace(settings, mbus=mbus_settings(utilities))
    meter = ElectricityMeter(
        settings,
        start,
        SeededRandom(seed),
        load=load,
        simulation=True,
        counters=MemoryCounterStore(),
    )
    if utilities:
        from cosem.simulator.utilities import Utilities

        if meter.equipment.mbus is None:
            raise ConfigError("this meter has no M-Bus")
        Utilities(meter.equipment.mbus, utilities, seed=seed, weather=load.weather)
    meter.advance(until)
    payment = meter.equipment.payment
    if payment is not None and payment.account.status is AccountStatus.NEW_INACTIVE:
        payment.account.activate()
    return meter

"""Payment meters for tests: a load that is known, and the books that have to balance."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cosem.device.load import Load
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.payment import Payment, PaymentSettings
from cosem.device.random import SeededRandom
from cosem.security.counters import MemoryCounterStore
from cosem.security.tokens import SignedTokens
from support.meters import KEYS, causes_of, utc

TOKEN_KEY = bytes(range(0x60, 0x70))
START = utc(2026, 6, 1, 10)


class Steady:
    """A load that stays as it is until the test says otherwise."""

    def __init__(self, watts: int) -> None:
        self.watts = watts

    def at(self, local: datetime, step: int) -> Load:
        return Load((self.watts, 0, 0), (0, 0, 0))


class Paying:
    """A payment meter with 3600 W: one Ws each 1/3600 s, a kWh in 1000 s; a kWh costs 100 unless said otherwise."""

    def __init__(
        self, *, mode: int = 5, watts: int = 3600, start: int = START, companion: str = "idis", **settings: Any
    ) -> None:
        self.load = Steady(watts)
        chosen: dict[str, Any] = {
            "token_key": TOKEN_KEY,
            "credit": 1000,
            "emergency": 500,
            "offer": 200,
            "low": 300,
            "energy": {"": 100},
            "standing": 0,
        }
        payment = PaymentSettings(**(chosen | settings))
        self.meter = ElectricityMeter(
            MeterSettings(
                keys=KEYS,
                password=b"12345678",
                secret=b"0123456789abcdef",
                control_mode=mode,
                companion=companion,
                payment=payment,
            ),
            start,
            SeededRandom(1),
            load=self.load,
            simulation=True,
            counters=MemoryCounterStore(),
        )
        self.host = self.meter.host
        found = self.meter.equipment.payment
        assert found is not None
        self.payment: Payment = found
        self.account = found.account
        self.token, self.emergency = found.token_credit, found.emergency
        self.energy, self.standing, self.debt = found.charges
        self.gateway = found.gateway
        self.disconnector = self.meter.disconnector
        self.vendor = SignedTokens(TOKEN_KEY, self.meter.settings.system_title)
        self.causes = causes_of(self.host)
        self.paid_in = payment.credit
        self.lent = 0

    def live(self, seconds: int) -> None:
        """Let time pass."""
        self.meter.advance(self.meter.now + seconds)

    def top_up(self, amount: int, number: int) -> int:
        """Enter a token at the keypad; return its status."""
        return int(self.gateway.press(self.vendor.issue(number, amount).encode()))

    @property
    def rows(self) -> list[int]:
        """The codes in the log of the disconnector."""
        log = self.meter.equipment.events.logs["disconnector"].buffer
        return [row.cells[1][-1] for row in log.rows]

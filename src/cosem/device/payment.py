"""Prepayment as a whole: an account with token and emergency credit, charges, and the gateway that takes tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cosem.classes.c111_account import (
    CollectionConfiguration,
    CreditChargeConfiguration,
    Currency,
    CurrencyUnit,
    PaymentMode,
)
from cosem.classes.c112_credit import CreditConfiguration, CreditType
from cosem.classes.c113_charge import (
    ChargeConfiguration,
    ChargePerUnitScaling,
    ChargeTableElement,
    UnitCharge,
)
from cosem.classes.c116_iec_62055_41_attributes import IEC6205541Attributes, MeterPAN
from cosem.classes.common import AttributeReference
from cosem.device.account import AccountBehaviour
from cosem.device.charge import CONSUMPTION, PAYMENT, TIME, ChargeBehaviour, Counts
from cosem.device.clock import DAY
from cosem.device.credit import SELECTABLE, CreditBehaviour
from cosem.device.metering import CHANNELS, TARIFFS, Metering
from cosem.device.tariffs import mask_name
from cosem.device.token_gateway import TokenGatewayBehaviour
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.security.tokens import SignedTokens, TokenDecoder
from cosem.units import scaled

if TYPE_CHECKING:
    from cosem.device.disconnector import Disconnector
    from cosem.device.host import Host

ACCOUNT: Final = Obis.parse("0-0:19.0.0")
TOKEN_CREDIT, EMERGENCY_CREDIT = Obis.parse("0-0:19.10.0"), Obis.parse("0-0:19.10.1")
ENERGY_CHARGE, STANDING_CHARGE, DEBT_CHARGE = (Obis.parse(f"0-0:19.20.{number}") for number in range(3))
GATEWAY: Final = Obis.parse("0-0:19.40.0")
STS_ATTRIBUTES: Final = Obis.parse("0-0:96.50.0")
"""A name of the manufacturer's: public sources give none for class 116."""
_NO_COMMODITY: Final = AttributeReference(0, Obis(bytes(6)), 0)
_MASKS: Final = tuple((tariff, mask_name(tariff)) for tariff in TARIFFS)


@dataclass(frozen=True, slots=True)
class StsIdentity:
    """What a meter of the standard transfer specification says of itself (class 116): data only, nothing acts on it."""

    issuer_identification_number: int = 0
    decoder_reference_number: int = 0
    pan_check_digit: int = 0
    supply_group_code: int = 0
    tariff_index: int = 1
    key_revision_number: int = 1
    key_type: int = 2
    key_expiry_number: int = 255
    encryption_algorithm: int = 7
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class PaymentSettings:
    """How a meter is paid. Amounts are whole numbers of `currency` * 10**`scale`.

    `token_key` (16 octets) is what signed tokens are made with for this meter; another form of token comes with a
    `decoder` instead. `credit` is there from the start, `emergency` is lent once it is selected, which is offered when
    no more than `offer` is left, and has to be paid back. `low` is where a warning is given. Prices: `energy` of a kWh
    by tariff ("" for what no tariff counts), `standing` of a day. Of a `debt` each payment pays `debt_part`, in
    1/10000. `active` is whether the account is active from the start. `less_debt` as in `AccountBehaviour`.
    """

    token_key: bytes | None = field(default=None, repr=False)
    decoder: TokenDecoder | None = None
    prepayment: bool = True
    active: bool = True
    credit: int = 20_000
    emergency: int = 5_000
    offer: int = 1_000
    low: int = 4_000
    energy: Mapping[str, int] = field(default_factory=lambda: {"T1": 320, "T2": 240, "": 320})
    standing: int = 300
    debt: int = 0
    debt_part: int = 2_000
    currency: str = "EUR"
    scale: int = -3
    less_debt: bool = True
    sts: StsIdentity | None = None

    def tokens(self, meter: bytes) -> TokenDecoder:
        """Return who decodes the tokens of the meter with this system title. Raises `ConfigError` where nobody can."""
        if self.decoder is not None:
            return self.decoder
        if self.token_key is None:
            raise ConfigError("a payment meter needs a token key, or a decoder of tokens")
        return SignedTokens(self.token_key, meter)


class Payment:
    """What makes a meter a payment meter. The standing charge is collected without supply too, the debt from tokens."""

    def __init__(
        self, host: Host, metering: Metering, disconnector: Disconnector, settings: PaymentSettings, title: bytes
    ) -> None:
        self.settings = settings
        self.metering = metering
        flags = CreditConfiguration
        self.token_credit = CreditBehaviour(
            host,
            TOKEN_CREDIT,
            CreditType.TOKEN_CREDIT,
            1,
            flags.REQUIRES_VISUAL_INDICATION | flags.RESETTABLE | flags.CAN_RECEIVE_AMOUNTS_FROM_TOKENS,
            amount=settings.credit,
        )
        self.emergency = CreditBehaviour(
            host,
            EMERGENCY_CREDIT,
            CreditType.EMERGENCY_CREDIT,
            2,
            flags.REQUIRES_VISUAL_INDICATION
            | flags.REQUIRES_CONFIRMATION_BEFORE_SELECTION
            | flags.REQUIRES_CREDIT_TO_BE_PAID_BACK
            | flags.RESETTABLE,
            preset=settings.emergency,
            available_again=settings.emergency,
        )
        self.charges = self._charges(host)
        always = CollectionConfiguration.WHEN_SUPPLY_DISCONNECTED
        with_supply = CollectionConfiguration(0)
        self.account = AccountBehaviour(
            host,
            ACCOUNT,
            (self.token_credit, self.emergency),
            self.charges,
            disconnector,
            Currency(settings.currency, settings.scale, CurrencyUnit.MONETARY),
            mode=PaymentMode.PREPAYMENT_MODE if settings.prepayment else PaymentMode.CREDIT_MODE,
            low=settings.low,
            offer=settings.offer,
            less_debt=settings.less_debt,
            collection=[
                CreditChargeConfiguration(credit.name, charge.name, always if charge.kind is TIME else with_supply)
                for credit in (self.token_credit, self.emergency)
                for charge in self.charges
            ],
        )
        self.gateway = TokenGatewayBehaviour(
            host, GATEWAY, settings.tokens(title), lambda token: self.account.pay(token.amount)
        )
        if settings.sts is not None:
            _add_sts(host, settings.sts)
        if settings.active:
            self.account.activate()

    def _charges(self, host: Host) -> tuple[ChargeBehaviour, ...]:
        settings = self.settings
        scaling = ChargePerUnitScaling(3, settings.scale)
        table = tuple(ChargeTableElement(name.encode(), price) for name, price in settings.energy.items())
        imported = AttributeReference(3, Obis.parse("1-0:1.8.0"), 2)
        energy = ChargeBehaviour(
            host,
            ENERGY_CHARGE,
            CONSUMPTION,
            1,
            UnitCharge(scaling, imported, table),
            self.counts,
            scale=settings.scale,
        )
        price = (ChargeTableElement(b"", settings.standing),)
        fixed = ChargePerUnitScaling(0, settings.scale)
        standing = ChargeBehaviour(
            host,
            STANDING_CHARGE,
            TIME,
            2,
            UnitCharge(fixed, _NO_COMMODITY, price),
            self.counts,
            scale=settings.scale,
            period=DAY,
        )
        debt = ChargeBehaviour(
            host,
            DEBT_CHARGE,
            PAYMENT,
            3,
            UnitCharge(fixed, _NO_COMMODITY, ()),
            self.counts,
            scale=settings.scale,
            configuration=ChargeConfiguration.PERCENTAGE_BASED_COLLECTION,
            remaining=settings.debt,
            proportion=settings.debt_part,
        )
        return energy, standing, debt

    def counts(self, reference: AttributeReference) -> Counts | None:
        """Return what an energy register stands at, to the watt second, by the names of tariffs and in all.

        A price has its tariff's name as index: that of its mask in register activation.
        """
        class_id, name, attribute = reference
        octets = bytes(name)
        channel, rate = octets[2], octets[4]
        place_known = octets[:2] == b"\x01\x00" and octets[3] == 8 and octets[5] == 255
        if (class_id, attribute) != (3, 2) or not place_known or channel not in CHANNELS:
            return None
        registers = self.metering.registers
        if rate and (channel, rate) not in registers:
            return None
        self.metering.settle(self.metering.clock.true_time())
        counts = {b"": registers[channel, rate].value}
        if not rate and channel in (1, 2):
            for tariff, mask in _MASKS:
                counts[mask] = registers[channel, tariff].value
        return counts

    def select_emergency(self) -> bool:
        """Confirm the credit that is offered, at the meter; say whether there was one."""
        offered = self._offered
        if offered is not None:
            offered.invoke()
        return offered is not None

    @property
    def _offered(self) -> CreditBehaviour | None:
        found = (credit for credit in self.account.credits if credit.status is SELECTABLE)
        return next(found, None) if self.account.active else None

    def texts(self) -> list[str]:
        """Return what the display shows of it."""
        account = self.account
        texts = [f"credit {self._money(account.available)}"]
        used = account.in_use
        if used is not None and used.confirmed_first:
            texts.append("emergency credit in use")
        if self._offered is not None:
            texts.append("emergency credit: press to select")
        if account.to_clear:
            texts.append(f"pay {self._money(account.to_clear)}")
        elif account.low:
            texts.append("credit low")
        return texts

    def _money(self, amount: int) -> str:
        return f"{scaled(amount, self.settings.scale):f} {self.settings.currency}"


def _add_sts(host: Host, sts: StsIdentity) -> None:
    pan = MeterPAN(sts.issuer_identification_number, sts.decoder_reference_number, sts.pan_check_digit)
    host.add(
        IEC6205541Attributes(
            STS_ATTRIBUTES,
            meter_pan=pan,
            commodity="electricity",
            token_carrier_types=(),
            encryption_algorithm=sts.encryption_algorithm,
            supply_group_code=sts.supply_group_code,
            tariff_index=sts.tariff_index,
            key_revision_number=sts.key_revision_number,
            key_type=sts.key_type,
            key_expiry_number=sts.key_expiry_number,
            no_of_kct_supported=0,
            sts_certificate_no=sts.certificate,
        )
    )

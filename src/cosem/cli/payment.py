"""``cosem credit`` and ``cosem token``: payment meters."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.classes.c115_token_gateway import TokenStatusCode
from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, SAID_NO, print_json, print_table
from cosem.client.verbs import ACCOUNT, TOKEN_GATEWAY
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.client.payment import AccountState, TokenResult

_REFUSED: dict[int, str] = {
    TokenStatusCode.TOKEN_FORMAT_FAILURE: "the meter cannot read it: are all of its digits there?",
    TokenStatusCode.AUTHENTICATION_FAILURE: "it is for another meter, or made with another key",
    TokenStatusCode.VALIDATION_FAILURE: "it was used before, or is older than those that were",
    TokenStatusCode.TOKEN_EXECUTION_FAILURE: "it is genuine, but its amount finds no room",
}
"""What a status means to who holds the token."""


@click.command("credit")
@click.argument("url")
@click.argument("name", metavar="[OBIS]", default=ACCOUNT)
@click.option("--token", "digits", metavar="DIGITS", help="Top up by this token first.")
@click.option("--gateway", metavar="OBIS", default=TOKEN_GATEWAY, help="Another token gateway than 0-0:19.40.0.")
@click.option("--select-emergency", "select", is_flag=True, help="Select the credit that is offered first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def credit_command(
    url: str, name: str, digits: str | None, gateway: str, select: bool, as_json: bool, **options: Any
) -> int:
    """Show an account with its credits and charges. A refused token ends with 1 and changes nothing."""
    token = None
    with connected(url, **options) as meter:
        if digits is not None:
            token = meter.top_up(digits, gateway=gateway)
        found = meter.select_credit(name=name) if select else meter.account(name)
    refused = token is not None and not token.accepted
    _show(found, token, as_json)
    return SAID_NO if refused else DONE


def _show(found: AccountState, token: TokenResult | None, as_json: bool) -> None:
    from cosem.classes.words import enum_words, flag_words

    if as_json:
        print_json(
            {
                "account": str(found.name),
                "mode": enum_words(found.mode),
                "status": enum_words(found.status),
                "currency": found.currency,
                "available": f"{found.available:f}",
                "debt": f"{found.debt:f}",
                "to_clear": f"{found.to_clear:f}",
                "flags": flag_words(found.flags).split(", ") if found.flags else [],
                "in_use": None if found.in_use is None else str(found.in_use),
                "credits": [
                    {
                        "name": str(item.name),
                        "type": enum_words(item.kind),
                        "priority": item.priority,
                        "amount": f"{item.amount:f}",
                        "status": enum_words(item.status),
                    }
                    for item in found.credits
                ],
                "charges": [
                    {
                        "name": str(item.name),
                        "type": enum_words(item.kind),
                        "priority": item.priority,
                        "paid": f"{item.paid:f}",
                        "remaining": f"{item.remaining:f}",
                    }
                    for item in found.charges
                ],
                **(
                    {}
                    if token is None
                    else {
                        "token": {
                            "accepted": token.accepted,
                            "status": enum_words(token.status),
                            "description": token.description,
                        }
                    }
                ),
            }
        )
        return
    if token is not None:
        why = _REFUSED.get(token.status)
        click.echo(f"token: {enum_words(token.status)}{f' ({why})' if why else ''}", err=not token.accepted)
    unit = found.currency
    rows = [
        (f"account {found.name}", f"{enum_words(found.status)}, {enum_words(found.mode)}"),
        ("available", f"{found.available:f} {unit}"),
        ("debt", f"{found.debt:f} {unit}"),
        ("to be paid before there is credit", f"{found.to_clear:f} {unit}"),
        ("status", flag_words(found.flags)),
    ]
    for credit in found.credits:
        what = f"{credit.amount:f} {unit}, {enum_words(credit.status)}"
        rows.append((f"{enum_words(credit.kind)} {credit.name}", what))
    for charge in found.charges:
        what = f"{charge.paid:f} {unit} paid, {charge.remaining:f} {unit} to come"
        rows.append((f"{enum_words(charge.kind)} {charge.name}", what))
    print_table(("what", "value"), rows)


# --- token -----------------------------------------------------------------------------------------------------


@click.command("token")
@click.argument("amount")
@click.option(
    "--number",
    required=True,
    type=click.IntRange(1, 0xFFFFFFFF),
    metavar="N",
    help="What tells it from all others for this meter; larger than those before.",
)
@click.option(
    "--meter",
    "title",
    default="43534D0100000001",
    show_default=True,
    metavar="HEX",
    help="System title of the meter; that of the simulated one without it.",
)
@click.option(
    "--scale",
    default=-3,
    type=click.IntRange(-9, 9),
    show_default=True,
    help="Power of ten that the account of the meter counts in.",
)
@click.option(
    "--token-key",
    "key_file",
    type=click.Path(path_type=Path),
    help="File with the token key in hex; the example key without it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def token_command(amount: str, number: int, title: str, scale: int, key_file: Path | None, as_json: bool) -> int:
    """Make a signed token worth AMOUNT, in a form of our own (40 digits): no meter but ours takes it.

    Tokens of the standard transfer specification (STS) are something else, which only its vendors can make.
    """
    from cosem.security.tokens import SignedTokens

    if len(title) != 16 or not all(digit in "0123456789abcdefABCDEF" for digit in title):
        raise ConfigError(f"--meter {title} is no system title: 16 hex digits")
    raw = money(amount, scale)
    digits = SignedTokens(token_key(key_file), bytes.fromhex(title)).issue(number, raw)
    if as_json:
        print_json({"token": digits.replace(" ", ""), "number": number, "amount": raw, "scale": scale})
    else:
        click.echo(digits)
    return DONE


def money(text: str, scale: int) -> int:
    """Return an amount as a whole number of 10**`scale`. Raises `ConfigError` for one that is none."""
    try:
        exact = Decimal(text)
    except InvalidOperation:
        exact = Decimal("nan")
    # Beyond 12 digits either way nothing is an amount, and bringing it to scale would cost memory.
    if not exact.is_finite() or not -12 <= exact.adjusted() <= 12:
        raise ConfigError(f"{text!r} is no amount: write a number")
    raw = exact.scaleb(-scale)
    if raw != int(raw):
        raise ConfigError(f"{text} has more decimals than the account counts in")
    return int(raw)


def token_key(path: Path | None) -> bytes:
    """Return the token key of a file, or that of every example."""
    if path is None:
        from cosem.simulator.meter import DEMO_TOKEN_KEY

        return DEMO_TOKEN_KEY
    text = path.read_bytes()[:256].strip()
    if len(text) != 32 or not all(digit in b"0123456789abcdefABCDEF" for digit in text):
        raise ConfigError(f"{path} holds no token key: 32 hex digits")
    return bytes.fromhex(text.decode("ascii"))

"""Messages to the customer as a client sends them, against the simulated meter."""

from __future__ import annotations

import asyncio

import pytest

from cosem.client.messages import DISPLAY, PORT, Messages
from cosem.codec.axdr import Data, Tag
from cosem.errors import ConfigError
from support.served import Served, served


def hold(world: Served, data: Data) -> None:
    """Let the message to the port be of another type, as other meters have it."""
    world.meter.equipment.customer.message.object.store.values[2] = data


@pytest.mark.parametrize("referencing", ["ln", "sn"])
def test_a_text_for_the_port_and_a_code_for_the_display(referencing: str) -> None:
    with served(days=0.05, referencing=referencing) as world, world.connect() as meter:
        assert meter.messages() == ("", "")
        assert meter.send_message("Zähler wird getauscht", code=12) == ("Zähler wird getauscht", "12")
        customer = world.meter.equipment.customer
        assert (customer.message.text, customer.display.text) == ("Zähler wird getauscht", "12")
        assert "Zähler".encode().hex().upper() in customer.p1.telegram().decode("ascii")
        assert meter.send_message("pay", display=True) == ("Zähler wird getauscht", "pay")
        assert meter.send_message("") == ("", "pay")


def test_asynchronous() -> None:
    async def talk(world: Served) -> tuple[Messages, Messages]:
        async with await world.connect_async() as meter:
            return await meter.send_message("abc", code=0), await meter.messages()

    with served(days=0.05) as world:
        assert asyncio.run(talk(world)) == (("abc", "0"), ("abc", "0"))


@pytest.mark.parametrize(
    ("text", "options"), [("x", {"code": 1, "display": True}), (None, {"code": -1}), ("ä" * 513, {})]
)
def test_messages_that_are_none_are_not_sent(text: str | None, options: dict[str, object]) -> None:
    with served(days=0.01) as world, world.connect() as meter:
        with pytest.raises(ConfigError):
            meter.send_message(text, **options)  # type: ignore[arg-type]
        assert meter.messages() == ("", "")


def test_names_are_those_of_consumer_messages() -> None:
    assert (str(PORT), str(DISPLAY)) == ("0-0:96.13.0.255", "0-0:96.13.1.255")


def test_a_message_has_the_type_that_the_meter_has() -> None:
    with served(days=0.01) as world, world.connect() as meter:
        hold(world, Data(Tag.DOUBLE_LONG_UNSIGNED, 7))
        assert meter.messages().port == "7"
        with pytest.raises(ConfigError, match="is no text"):
            meter.send_message("x")
        hold(world, Data(Tag.VISIBLE_STRING, "old"))
        with pytest.raises(ConfigError, match="ASCII"):
            meter.send_message("ä")
        assert meter.messages().port == "old"

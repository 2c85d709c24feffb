"""``cosem mbus``: the group of commands about M-Bus; each is imported when it is called."""

from __future__ import annotations

import click

from cosem.cli.lazy_group import LazyGroup

COMMANDS = {
    "decode": ("cosem.cli.mbus_decode", "explain telegrams: values, profiles, reports, every octet"),
    "listen": ("cosem.cli.mbus_listen", "print readings of what a radio receiver hands on"),
    "scan": ("cosem.cli.mbus_bus", "find the meters of a bus"),
    "read": ("cosem.cli.mbus_bus", "read a meter"),
    "send": ("cosem.cli.mbus_send", "set a meter's clock, move its valve, change its key, send it data, reset it"),
}


@click.group("mbus", cls=LazyGroup, commands_in=COMMANDS)
def mbus_command() -> None:
    """M-Bus meters (EN 13757): gas, water, heat."""

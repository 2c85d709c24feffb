"""``cosem headend``: the group of commands of the data collection system; each is imported when it is called."""

from __future__ import annotations

from importlib.util import find_spec

import click

from cosem.cli.lazy_group import LazyGroup
from cosem.errors import ConfigError

COMMANDS = {
    "init": ("cosem.cli.headend_folder", "make a head-end's folder: settings, key, the first administrator's token"),
    "serve": ("cosem.cli.headend_serve", "carry out plans and commands, receive pushes, answer the API"),
    "devices": ("cosem.cli.headend_devices", "list, add, move, import, export devices, learn what they capture"),
    "plans": ("cosem.cli.headend_plans", "list and add plans, let them run or rest"),
    "run": ("cosem.cli.headend_plans", "carry a plan out now, and account for every device"),
    "read": ("cosem.cli.headend_read", "read what a device shows now, with those on its M-Bus"),
    "commands": ("cosem.cli.headend_commands", "send commands, confirm them, see what came of them"),
    "campaigns": ("cosem.cli.headend_campaigns", "do one thing at many devices, stage after stage"),
    "keys": ("cosem.cli.headend_keys", "change keys of a device, follow changes, give a parent its device's key"),
    "firmware": ("cosem.cli.headend_firmware", "list, add and withdraw firmware images"),
    "alarms": ("cosem.cli.headend_happenings", "list alarms, acknowledge them"),
    "events": ("cosem.cli.headend_happenings", "list what happened at devices"),
    "export": ("cosem.cli.headend_values", "write values as CSV, JSON lines or Parquet"),
    "totals": ("cosem.cli.headend_values", "sum, lowest, highest and growth by day over many devices"),
    "token": ("cosem.cli.headend_folder", "issue, list and revoke tokens of the API"),
    "users": ("cosem.cli.headend_users", "add, list and remove people who sign in to the pages, set passwords"),
    "mqtt": ("cosem.cli.headend_mqtt", "show what Home Assistant and other tools would be told, without a broker"),
    "backup": ("cosem.cli.headend_folder", "write everything into one file, also while it is at work"),
    "restore": ("cosem.cli.headend_folder", "bring a backup back into an empty folder"),
}
NEEDED = ("sqlalchemy", "dbos", "fastapi", "pyarrow", "duckdb")


@click.group("headend", cls=LazyGroup, commands_in=COMMANDS)
def headend_command() -> None:
    """The data collection system of a utility, in one folder and one process."""
    if not all(find_spec(name) for name in NEEDED):
        raise ConfigError("the head-end needs more than the rest: install it with pip install 'cosem[headend]'")

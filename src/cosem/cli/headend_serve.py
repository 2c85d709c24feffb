"""``cosem headend serve``: the head-end at work."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import Any

import click

from cosem.cli.headend_office import folder_option, json_option, on_loop
from cosem.cli.output import DONE, note, print_json

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port of the API.")
@click.option(
    "--push-port", type=click.IntRange(0, 65535), default=4059, show_default=True, help="Port for pushes, TCP and UDP."
)
@click.option("--no-push", is_flag=True, help="Do not receive pushes.")
@click.option("-v", "--verbose", is_flag=True, help="Log every device that was read, too.")
@folder_option
@json_option
def serve_command(
    host: str, port: int, push_port: int, no_push: bool, verbose: bool, folder: Path, as_json: bool
) -> int:
    """Carry out plans and commands, receive pushes and answer the API until interrupted (SIGINT or SIGTERM).

    The log goes to standard error, a JSON object a line. What is under way when it ends goes on at the next start.
    """
    # Nothing that a start makes is garbage, and to look for some takes a quarter of it; `settle` turns that on again.
    gc.disable()
    click.get_current_context().call_on_close(gc.enable)
    from cosem.headend.folder import Lock, load_settings
    from cosem.headend.logs import log_lines
    from cosem.headend.service import Listening, serve

    def ready(addresses: dict[str, Any]) -> None:
        if as_json:
            print_json(addresses)
            return
        click.echo(f"pages {addresses['api']}")
        click.echo(f"API {addresses['api']}/api, described at {addresses['api']}/api/docs")
        if "push" in addresses:
            click.echo(f"pushes at {addresses['push']}")
        if "mqtt" in addresses:
            click.echo(f"tells the broker at {addresses['mqtt']}")

    settings = load_settings(folder)
    if host not in LOOPBACK:
        note(f"the API at {host} is not encrypted: put a proxy with TLS before it")
    if settings.home is not None and settings.home.open_wire:
        note(f"the password goes to {settings.home.host} over an open wire: set tls = true in [mqtt]")
    with Lock(folder):
        log_lines(level=logging.DEBUG if verbose else logging.INFO)
        on_loop(lambda: serve(settings, Listening(host, port, None if no_push else push_port), ready))
    return DONE

"""``cosem message``: what a meter tells its customer."""

from __future__ import annotations

from typing import Any

import click

from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, print_json, print_table


@click.command("message")
@click.argument("url")
@click.argument("text", required=False)
@click.option("--code", type=click.IntRange(0, 0xFFFFFFFF), metavar="N", help="Code for the display (0-0:96.13.1).")
@click.option("--display", is_flag=True, help="The text is for the display instead of the local port (0-0:96.13.0).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def message_command(url: str, text: str | None, code: int | None, display: bool, as_json: bool, **options: Any) -> int:
    """Send a message to the customer; without TEXT and code show those that stand. An empty TEXT takes one away."""
    with connected(url, **options) as meter:
        found = (
            meter.messages() if text is None and code is None else meter.send_message(text, code=code, display=display)
        )
    if as_json:
        print_json(found._asdict())
        return DONE
    rows = [("local port", found.port), ("display", found.display)]
    print_table(("message", "text"), [(place, "not there" if shown is None else shown) for place, shown in rows])
    return DONE

"""``cosem calendar``: the activity calendar and special days, as a file that people write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, print_json
from cosem.errors import ConfigError


@click.command("calendar")
@click.argument("url")
@click.option("--set", "file", type=click.Path(path_type=Path), help="Write the calendar of a TOML file.")
@click.option("--at", "moment", metavar="now|never|TIME", help="When it becomes the active one, now; never: not yet.")
@click.option("--passive", is_flag=True, help="Show the passive calendar, not the active one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def calendar_command(
    url: str, file: Path | None, moment: str | None, passive: bool, as_json: bool, **options: Any
) -> int:
    """Show the activity calendar with its special days, or set it. What is printed can be edited and set."""
    from cosem.cli.values import parse_time
    from cosem.client.calendars import NEVER, Calendar

    if file is None and moment is not None:
        raise ConfigError("--at says when a calendar that is set becomes the active one: it goes with --set FILE")
    moment = moment or "now"
    wanted = None if file is None else Calendar.from_toml(file.read_text(encoding="utf-8"))
    at: Any = {"now": None, "never": NEVER}[moment] if moment in ("now", "never") else parse_time(moment)
    with connected(url, **options) as meter:
        if wanted is not None:
            meter.set_calendar(wanted, at)
            if at is not None:
                passive = True
        calendar = meter.calendar(passive=passive)
    if as_json:
        import tomllib

        print_json(tomllib.loads(calendar.to_toml()))
    else:
        click.echo(calendar.to_toml(), nl=False)
    return DONE

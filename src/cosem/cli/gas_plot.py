"""``cosem gas plot``: a day of a gas converter as a picture."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, SAID_NO, note, print_json
from cosem.cli.values import parse_time
from cosem.errors import ConfigError


@click.command("plot")
@click.argument("url")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.svg|png")
@click.option("--archive", default="7-0:99.99.2.255", show_default=True, metavar="OBIS", help="The hourly archive.")
@click.option("--from", "start", metavar="T", help="First time, ISO 8601; the last day that is there without it.")
@click.option("--to", "end", metavar="T", help="Last time, included.")
@click.option("--title", default="", help="Heading of the picture.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def plot_command(
    url: str,
    file: Path,
    archive: str,
    start: str | None,
    end: str | None,
    title: str,
    as_json: bool,
    **options: Any,
) -> int:
    """Draw volume, pressure, temperature, factor and energy of a converter, and compute its energy once more.

    The archive is read over DLMS. SVG needs nothing; for PNG install cairosvg. The status is 1 where the device's
    energy is not what its volumes and calorific values make.
    """
    from cosem.client.gas import gas_rows, recomputed
    from cosem.client.gas_plot import day_svg
    from cosem.gas.recompute import UNKNOWN_CARRY

    png = _renderer(file)
    with connected(url, **options) as meter:
        first = None if start is None else parse_time(start)
        last = None if end is None else parse_time(end)
        rows = gas_rows(meter.profile(archive).read(first, last))
    if start is None and end is None and rows:
        rows = [row for row in rows if row.at >= rows[-1].at - timedelta(days=1)]
    picture = day_svg(rows, title)
    if png is None:
        file.write_text(picture, encoding="utf-8")
    else:
        file.write_bytes(png(picture))
    again = recomputed(rows)
    away = max(abs(again.difference_undisturbed), abs(again.difference_disturbed))
    agrees = away <= UNKNOWN_CARRY
    if as_json:
        print_json(
            {
                "file": str(file),
                "rows": len(rows),
                "energy_undisturbed_ukwh": again.undisturbed,
                "energy_disturbed_ukwh": again.disturbed,
                "difference_ukwh": away,
                "agrees": agrees,
            }
        )
    else:
        verdict = "equals the device's own" if agrees else f"is {away} units of 1e-6 kWh away from the device's own"
        note(f"{len(rows)} rows are in {file}; energy computed once more {verdict}")
    return DONE if agrees else SAID_NO


def _renderer(file: Path) -> Any:
    """Return what makes PNG of SVG, None for SVG itself; ConfigError before anything is read."""
    if file.suffix == ".svg":
        return None
    if file.suffix != ".png":
        raise ConfigError(f"{file}: a picture is an .svg or a .png")
    try:
        from cairosvg import svg2png
    except ImportError:
        raise ConfigError("PNG needs cairosvg (pip install cairosvg); SVG needs nothing") from None
    return lambda picture: svg2png(bytestring=picture.encode("utf-8"), scale=2)

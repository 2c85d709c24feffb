"""``cosem class``: what the Blue Book says about interface classes."""

from __future__ import annotations

from shutil import get_terminal_size
from textwrap import fill
from typing import Any

import click

from cosem.cli.output import DONE, heading, is_terminal, print_json, print_table
from cosem.cli.values import parse_number
from cosem.errors import ConfigError

PIPE_WIDTH = 100
"""Columns of running text where nobody looks at it."""


@click.command("class")
@click.argument("which", required=False, metavar="[ID | NAME]")
@click.option("--version", "version", type=int, help="Version of the class; the newest known without it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def class_command(which: str | None, version: int | None, as_json: bool) -> int:
    """Show an interface class: attributes, methods, types, enumerations, short-name offsets. Without ID, list all."""
    from cosem.classes import describe, find, known, lookup, versions_of

    if which is None:
        declared_versions = [(class_id, versions_of(class_id)) for class_id in known()]
        rows = [
            (number, sorted(versions), versions[max(versions)].class_name) for number, versions in declared_versions
        ]
        if as_json:
            print_json([{"class_id": number, "versions": versions, "name": name} for number, versions, name in rows])
        else:
            shown = [(number, ", ".join(map(str, versions)), name) for number, versions, name in rows]
            print_table(("class", "versions", "name"), shown, right=(0,))
        return DONE
    number = parse_number(which)
    declared = lookup(number, version) if number is not None else find(which, version)
    if declared is None:
        raise ConfigError(f"no interface class {which!r}{'' if version is None else f' version {version}'} is known")
    description = describe(declared)
    if as_json:
        print_json(description)
    else:
        _print_class(description)
    return DONE


def _print_class(description: dict[str, Any]) -> None:
    heading(f"{description['name']}   class_id = {description['class_id']}, version = {description['version']}")
    _print_text(description["description"])
    others = [str(version) for version in description["versions"] if version != description["version"]]
    if others:
        _print_text(f"Other versions: {', '.join(others)} (--version).")
    if not description["verified"]:
        _print_text("This version is not verified.")
    click.echo()
    print_table(
        ("attribute", "name", "type", "short name", ""),
        [
            (a["id"], a["name"], a["short_type"], _offset(a["short_name_offset"]), _static(a["static"]))
            for a in description["attributes"]
        ],
        right=(0,),
    )
    if description["methods"]:
        click.echo()
        print_table(
            ("method", "name", "parameter", "short name", ""),
            [
                (m["id"], m["name"], _parameter(m), _offset(m["short_name_offset"]), _optional(m))
                for m in description["methods"]
            ],
            right=(0,),
        )
    selectors = [(a["name"], selector) for a in description["attributes"] for selector in a.get("selectors", ())]
    if selectors:
        click.echo()
        print_table(
            ("selector", "of", "name", "parameters"),
            [(s["id"], name, s["name"], s["short_type"]) for name, s in selectors],
            right=(0,),
        )
    for named in description["types"]:
        _print_type(named)


def _print_type(named: dict[str, Any]) -> None:
    """Print the fields of a structure, the codes of an enumeration or the bits of a mask."""
    click.echo()
    heading(f"structure {named['name']}" if named["kind"] == "structure" else named["name"])
    _print_text(named["description"])
    if "fields" in named:
        rows = [(field["name"], field["type"]) for field in named["fields"]]
        print_table(("field", "type"), rows)
    else:
        kind = "codes" if "codes" in named else "bits"
        print_table((kind[:-1], "meaning"), list(named[kind].items()), right=(0,))


def _print_text(text: str) -> None:
    if text:
        click.echo(fill(text, get_terminal_size().columns if is_terminal() else PIPE_WIDTH, break_on_hyphens=False))


def _offset(offset: int | None) -> str:
    return "" if offset is None else f"x + {offset:02X}h"


def _static(static: bool | None) -> str:
    return {True: "static", False: "dynamic"}.get(static, "")  # type: ignore[arg-type]


def _parameter(method: dict[str, Any]) -> str:
    if method["reserved"]:
        return ""
    returns = f" returns {method['short_returns']}" if method["returns"] else ""
    return f"{method['short_type']}{returns}"


def _optional(method: dict[str, Any]) -> str:
    if method["reserved"]:
        return "reserved"
    return {True: "optional", False: "mandatory"}.get(method["optional"], "")

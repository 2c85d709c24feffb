"""``cosem obis`` and ``cosem class``: what the Blue Book says."""

from __future__ import annotations

from typing import Any

import click

from cosem.cli.output import DONE, heading, print_json, print_table
from cosem.errors import ConfigError


@click.command("obis")
@click.argument("codes", nargs=-1, required=True, metavar="CODE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def obis_command(codes: tuple[str, ...], as_json: bool) -> int:
    """Say what OBIS codes mean, whole and value group by value group, with the usual unit and interface classes.

    Any usual form: 1-0:1.8.0*255, 1.8.0, 1.0.1.8.0.255, 0100010800FF.
    """
    from cosem.obis_names import explain

    explanations = [explain(code) for code in codes]
    if as_json:
        answers = [
            {"code": code} | explanation.to_json() | {"class_names": _class_names(explanation.classes)}
            for code, explanation in zip(codes, explanations, strict=True)
        ]
        print_json(answers[0] if len(answers) == 1 else answers)
        return DONE
    for explanation in explanations:
        heading(str(explanation.obis))
        click.echo(f"{explanation.medium}: {explanation.words}")
        if (unit := explanation.unit) is not None:
            click.echo(f"usual unit: {f'{unit.symbol} ({unit.quantity})' if unit.symbol else unit.quantity}")
        if explanation.classes:
            named = zip(_class_names(explanation.classes), explanation.classes, strict=True)
            click.echo(f"usual class: {', '.join(f'{name} ({number})' for name, number in named)}")
        print_table(
            ("group", "value", "meaning"), [(g.letter, g.value, g.words) for g in explanation.groups], right=(1,)
        )
    return DONE


def _class_names(numbers: tuple[int, ...]) -> list[str]:
    from cosem.classes import known

    names = known()
    return [names.get(number, f"class {number}") for number in numbers]


@click.command("class")
@click.argument("which", required=False, metavar="[ID | NAME]")
@click.option("--version", "version", type=int, help="Version of the class; the newest known without it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def class_command(which: str | None, version: int | None, as_json: bool) -> int:
    """Show an interface class: attributes, methods, types, short-name offsets. Without ID, list what is known."""
    from cosem.classes import describe, find, known, lookup, versions_of

    if which is None:
        rows = [(class_id, sorted(versions_of(class_id)), words) for class_id, words in known().items()]
        if as_json:
            print_json([{"class_id": number, "versions": versions, "name": words} for number, versions, words in rows])
        else:
            shown = [(number, ", ".join(map(str, versions)), words) for number, versions, words in rows]
            print_table(("class", "versions", "name"), shown, right=(0,))
        return DONE
    declared = lookup(int(which), version) if which.isdigit() else find(which)
    if declared is not None and version is not None:
        declared = lookup(declared.class_id, version)
    if declared is None:
        raise ConfigError(f"no interface class {which!r}{'' if version is None else f' version {version}'} is known")
    description = describe(declared)
    if as_json:
        print_json(description)
        return DONE
    heading(f"{description['name']}   class_id = {description['class_id']}, version = {description['version']}")
    if description.get("description"):
        click.echo(description["description"])
    print_table(
        ("attribute", "name", "type", "short name", ""),
        [
            (a["id"], a["name"], a["type"], _offset(a.get("short_name_offset")), "static" if a.get("static") else "")
            for a in description["attributes"]
        ],
        right=(0,),
    )
    if description["methods"]:
        print_table(
            ("method", "name", "parameter", "short name", ""),
            [
                (m["id"], m["name"], m["type"] or "", _offset(m.get("short_name_offset")), _optional(m))
                for m in description["methods"]
            ],
            right=(0,),
        )
    return DONE


def _offset(offset: int | None) -> str:
    return "" if offset is None else f"x + {offset:02X}h"


def _optional(method: dict[str, Any]) -> str:
    return {True: "optional", False: "mandatory"}.get(method.get("optional"), "")  # type: ignore[arg-type]

"""``cosem obis``: what the Blue Book says about codes."""

from __future__ import annotations

import click

from cosem.cli.output import DONE, heading, print_json, print_table


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

"""Commands that talk to one meter: objects, get, set, call, clock."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.output import DONE, SAID_NO, json_text, note, print_json, print_table, printable
from cosem.cli.trace import Tracer, trace_options
from cosem.cli.values import parse_number, parse_value
from cosem.errors import AccessError, ConfigError, CosemError, RemoteProtocolError

if TYPE_CHECKING:
    from cosem.client import Meter
    from cosem.codec.axdr import Data
    from cosem.obis import Obis


def meter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command has which talks to a meter."""
    for option in (
        trace_options,
        click.option("--counters", type=click.Path(path_type=Path), help="File that keeps invocation counters."),
        click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file (TOML)."),
    ):
        command = option(command)
    return command


@contextmanager
def connected(
    url: str, key_file: Path | None, counters: Path | None, verbose: int, trace_file: Path | None
) -> Iterator[Meter]:
    """Connect to a meter, with traces where they were asked for."""
    from cosem.client import connect

    with (
        Tracer(verbose, trace_file, url, key_file) as tracer,
        connect(url, keys=key_file, counters=counters, trace=tracer.sink) as meter,
    ):
        yield meter


@click.command("objects")
@click.argument("url")
@click.option("--save", type=click.Path(path_type=Path), help="Write a model of the meter (JSON), see docs/models.md.")
@click.option("--values", is_flag=True, help="Read all readable values into the model, too.")
@click.option(
    "--rows",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="Leave out buffers of profiles with more rows than this.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def objects_command(url: str, save: Path | None, values: bool, rows: int, as_json: bool, **options: Any) -> int:
    """List the objects of the association, with what this client may do with each."""
    if values and save is None:
        raise ConfigError("--values goes into a model: add --save MODEL.json")
    with connected(url, **options) as meter:
        if save is not None:
            _save(meter, save, values, rows)
        meter.objects()
        elements = list(meter.core.elements)
    found = [_object_row(element) for element in elements]
    if as_json:
        print_json(found)
        return DONE
    print_table(
        ("class", "version", "logical name", "what it is", "attributes", "methods", "meaning"),
        [
            (
                row["class"],
                row["version"],
                row["obis"],
                row["name"],
                " ".join(f"{a['id']}{a['access']}" for a in row["attributes"]),
                " ".join(str(m["id"]) for m in row["methods"] if m["access"]),
                row["words"],
            )
            for row in found
        ],
        right=(0, 1),
    )
    return DONE


def _save(meter: Meter, path: Path, values: bool, rows: int) -> None:
    """Write the model of a meter, with a bar of progress for people."""
    from cosem.models import dumps

    if not path.parent.is_dir():  # told before the reading, not after it
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}")
    with click.progressbar(length=1, label="reading", file=sys.stderr) as bar:

        def progress(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        model = meter.model(values=values, rows=rows, progress=progress)
    path.write_text(dumps(model), encoding="utf-8")
    left_out = sum(len(obj.errors) + len(obj.skipped) for obj in model.logical_devices[0].objects)
    if left_out:
        note(f"{left_out} attributes have no value in {path}: each says why")


def _object_row(element: Any) -> dict[str, Any]:
    from cosem.classes import Access, lookup
    from cosem.obis_names import words

    declared = lookup(element.class_id, element.version)
    rights = element.access_rights
    names = {} if declared is None else {number: item.name for number, item in declared.attributes.items()}
    methods = {} if declared is None else {number: item.name for number, item in declared.methods.items()}

    def letters(access: Access) -> str:
        return ("r" if access & Access.READ else "") + ("w" if access & Access.WRITE else "") or "-"

    return {
        "class": element.class_id,
        "version": element.version,
        "obis": str(element.logical_name),
        "words": words(element.logical_name),
        "name": declared.class_name if declared is not None else f"class {element.class_id}",
        "attributes": [
            {
                "id": item.attribute_id,
                "name": names.get(item.attribute_id),
                "access": letters(item.access),
                "rights": int(item.access),
            }
            for item in (rights.attribute_access if rights else ())
        ],
        "methods": [
            {"id": item.method_id, "name": methods.get(item.method_id), "access": bool(item.access & Access.ACCESS)}
            for item in (rights.method_access if rights else ())
        ],
    }


# --- targets ---------------------------------------------------------------------------------------------------


class Target:
    """``OBIS[:ATTRIBUTE]`` (or method) as written; what it means needs the meter's object list for the class."""

    def __init__(self, text: str) -> None:
        from cosem.obis import Obis

        self.text = text
        code, member = _split(text)
        self.name: Obis = Obis.parse(code)
        self.member = member


def _split(text: str) -> tuple[str, str | None]:
    """Cut the attribute off: it stands behind the last colon, but ``1-0:1.8.0`` has a colon of its own."""
    head, _, tail = text.rpartition(":")
    if head and (tail.isidentifier() or tail.lstrip("-").isdecimal()) and ("." in head or len(head) == 12):
        return head, tail
    return text, None


def resolve(meter: Meter, target: Target, *, method: bool = False) -> tuple[int, Obis, int, Any]:
    """Return class id, logical name, number, and the declaration of the member (None where nothing declares it)."""
    from cosem.classes import lookup

    element = meter.run(meter.core.find(target.name))
    declared = lookup(element.class_id, element.version) or lookup(element.class_id)
    members: dict[int, Any] = {}
    if declared is not None:
        members = dict(declared.methods if method else declared.attributes)
    member = target.member
    if member is None:
        if method:
            raise ConfigError(f"{target.text!r} names no method: write OBIS:METHOD")
        member = "2"
    number = parse_number(member)
    if number is None:
        number = next((key for key, item in members.items() if item.name.lower() == member.lower()), 0)
        if not number:
            kind = "method" if method else "attribute"
            known = ", ".join(item.name for item in members.values())
            raise ConfigError(f"{target.name} has no {kind} {member!r}; it has {known or 'none that is known'}")
    elif not -128 <= number <= 127:
        raise ConfigError(f"{target.text!r}: numbers of attributes and methods are between -128 and 127")
    return element.class_id, target.name, number, members.get(number)


def shown(data: Data, kind: Any) -> str:
    """Return a value for people: in the words of its type, or as it is where that is not known or departed from."""
    from cosem.classes.words import value_words
    from cosem.codec.json import to_json

    if kind is not None:
        try:
            return printable(value_words(kind.from_data(data)))
        except CosemError:  # a meter that departs from the declaration is shown as it is
            pass
    return json_text(to_json(data))


def type_of(class_id: int, name: Obis, number: int, declared: Any) -> Any:
    """Return the type that says what an attribute's values mean, None where nothing does."""
    from cosem.classes.words import coded_type

    if class_id == 1 and (kind := coded_type(class_id, name, number)) is not None:
        return kind
    return None if declared is None else declared.type


# --- get -------------------------------------------------------------------------------------------------------


@click.command("get")
@click.argument("url")
@click.argument("targets", nargs=-1, required=True, metavar="OBIS[:ATTRIBUTE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def get_command(url: str, targets: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Read attributes, by name or number; without one the value (2). What fails is told beside what was read."""
    from cosem.classes.json_form import value_to_json
    from cosem.codec.json import to_json
    from cosem.obis_names import words

    parsed = [Target(text) for text in targets]
    answers: list[dict[str, Any]] = []
    with connected(url, **options) as meter:
        for target in parsed:
            answer: dict[str, Any] = {"target": target.text, "obis": str(target.name), "words": words(target.name)}
            answers.append(answer)
            try:
                class_id, name, number, declared = resolve(meter, target)
                data = meter.get(class_id, name, number)
            except AccessError as error:
                answer["error"] = str(error)
                continue
            except CosemError as error:
                if isinstance(error, ConfigError) or len(parsed) == 1:
                    raise
                answer["error"] = str(error)
                if isinstance(error, RemoteProtocolError):
                    continue
                # Nothing more comes; what was read before is not lost.
                unread = parsed[len(answers) :]
                answers += [{"target": item.text, "obis": str(item.name), "error": "not read"} for item in unread]
                break
            answer |= {"class": class_id, "attribute": number, "value": to_json(data)}
            answer["text"] = shown(data, type_of(class_id, name, number, declared))
            if declared is not None:
                answer["typed"] = value_to_json(declared.type, data)
            if number == 2 and isinstance(data.value, (int, float)) and not isinstance(data.value, bool):
                scaler_unit = meter.run(meter.core.scaler_unit(class_id, name))
                if scaler_unit is not None:
                    quantity = scaler_unit.quantity(data.value)
                    answer |= {
                        "scaler": scaler_unit.scaler,
                        "unit": int(scaler_unit.unit),
                        "unit_symbol": scaler_unit.unit.symbol,
                        "scaled": str(quantity.value),
                        "text": str(quantity),
                    }
    if as_json:
        print_json(answers[0] if len(answers) == 1 else answers)
    else:
        for answer in answers:
            if "error" in answer:
                why = answer["error"]  # of the answers of a meter not all say to what they belong
                if len(answers) > 1 and answer["obis"] not in why:
                    why = f"{answer['target']}: {why}"
                click.echo(f"{click.style('cosem:', fg='red', bold=True)} {printable(why)}", err=True)
            else:
                many = (answer["target"], answer["text"], answer["words"])
                click.echo(answer["text"] if len(answers) == 1 else "\t".join(many))
    return SAID_NO if any("error" in answer for answer in answers) else DONE


# --- set, call -------------------------------------------------------------------------------------------------


@click.command("set", context_settings={"ignore_unknown_options": True})  # a value may be -60
@click.argument("url")
@click.argument("target", metavar="OBIS:ATTRIBUTE")
@click.argument("value")
@meter_options
def set_command(url: str, target: str, value: str, **options: Any) -> int:
    """Write an attribute. VALUE is a plain value (the meter's own type is kept), a code in words, or typed JSON.

    Typed JSON is {"unsigned": 3}.
    """
    from cosem.classes.words import coded_type

    parsed = Target(target)
    with connected(url, **options) as meter:
        class_id, name, number, declared = resolve(meter, parsed)
        current: Data | None = None
        if not value.lstrip().startswith("{"):
            try:
                current = meter.get(class_id, name, number)
            except AccessError:
                current = None
        data = parse_value(value, current, declared.type if declared is not None else None)
        meter.set(class_id, name, number, data)
    kind = coded_type(class_id, name, number)
    if kind is not None and data.tag in kind.tags:
        note(f"{target} is {shown(data, kind)}")
    return DONE


@click.command("call", context_settings={"ignore_unknown_options": True})
@click.argument("url")
@click.argument("target", metavar="OBIS:METHOD")
@click.argument("value", required=False)
@meter_options
def call_command(url: str, target: str, value: str | None, **options: Any) -> int:
    """Invoke a method, by name or number. Without VALUE the parameter is integer 0, as most methods want it."""
    from cosem.codec import axdr

    parsed = Target(target)
    with connected(url, **options) as meter:
        class_id, name, number, declared = resolve(meter, parsed, method=True)
        kind = declared.parameter if declared is not None else None
        parameter = axdr.integer(0) if value is None else parse_value(value, None, kind)
        answer = meter.call(class_id, name, number, parameter)
    if answer is not None:
        click.echo(shown(answer, None if declared is None else declared.returns))
    return DONE


# --- clock -----------------------------------------------------------------------------------------------------


def _span(seconds: float) -> str:
    """Write a span of time for people: days and hours where it is days."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 2 * 86400:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} h"
    return f"{whole // 86400} days {whole // 3600 % 24} h"


@click.command("clock")
@click.argument("url")
@click.option("--set", "moment", metavar="now|TIME", help="Set the time: now, or ISO 8601.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def clock_command(url: str, moment: str | None, as_json: bool, **options: Any) -> int:
    """Read the clock, or set it."""
    from datetime import UTC, datetime

    from cosem.classes.words import flag_words
    from cosem.cli.values import parse_time
    from cosem.times import ClockStatus

    wanted = None if moment in (None, "now") else parse_time(moment or "")
    with connected(url, **options) as meter:
        if moment is not None:
            meter.set_clock(wanted)
        shown_time = meter.clock()
    answer: dict[str, Any] = {"time": shown_time.isoformat(), "octets": shown_time.to_octets().hex()}
    if shown_time.clock_status is not None:
        status = ClockStatus(shown_time.clock_status)
        answer |= {"status": int(status), "status_words": flag_words(status)}
    if shown_time.deviation is not None and shown_time.year is not None:
        ahead = (shown_time.to_datetime() - datetime.now(UTC)).total_seconds()
        answer["ahead_seconds"] = round(ahead, 1)
    if as_json:
        print_json(answer)
        return DONE
    click.echo(answer["time"])
    if answer.get("status"):
        click.echo(answer["status_words"], err=True)
    if "ahead_seconds" in answer:
        ahead = answer["ahead_seconds"]
        click.echo(f"{_span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} this computer", err=True)
    return DONE

"""``cosem events``, ``cosem alarms`` and ``cosem push``: what happened to a meter, and how it is told of."""

from __future__ import annotations

from typing import Any

import click

from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, json_text, print_json, print_table, printable
from cosem.cli.values import parse_time
from cosem.errors import ConfigError

_companion = click.option("--companion", default="idis", show_default=True, help="Companion profile of the meter.")


@click.command("events")
@click.argument("url")
@click.option("--from", "start", metavar="T", help="From this time on, ISO 8601.")
@click.option("--to", "end", metavar="T", help="Up to this time, ISO 8601.")
@click.option("--group", "groups", multiple=True, help="Only this log (standard, fraud, ...); may be repeated.")
@_companion
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def events_command(
    url: str,
    start: str | None,
    end: str | None,
    groups: tuple[str, ...],
    companion: str,
    as_json: bool,
    **options: Any,
) -> int:
    """Read the event logs of a meter and say what the codes mean. Logs that it does not have are left out."""
    first, last = (None if text is None else parse_time(text) for text in (start, end))
    with connected(url, **options) as meter:
        events = meter.read_events(first, last, groups=groups, companion=companion)
    rows: list[dict[str, Any]] = [
        {
            "time": event.time.isoformat(),
            "group": event.group,
            "code": event.code,
            "words": event.words,
            "extra": [_plain(value) for value in event.extra],
        }
        for event in events
    ]
    if as_json:
        print_json(rows)
        return DONE
    shown = [
        (row["time"], row["group"], row["code"], row["words"], " ".join(printable(_shown(v)) for v in row["extra"]))
        for row in rows
    ]
    print_table(("time", "log", "code", "what happened", ""), shown, right=(2,))
    return DONE


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, (int, float, str, type(None))) else str(value)


def _shown(value: Any) -> str:
    return "" if value is None else json_text(value)


@click.command("alarms")
@click.argument("url")
@click.option("--clear", is_flag=True, help="Clear what is there, descriptors first.")
@_companion
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def alarms_command(url: str, clear: bool, companion: str, as_json: bool, **options: Any) -> int:
    """Show alarm registers and descriptors, in words; with --clear what they held before they were cleared."""
    with connected(url, **options) as meter:
        states = meter.clear_alarms(companion=companion) if clear else meter.alarms(companion=companion)
    if as_json:
        print_json(
            [
                {
                    "obis": str(state.name),
                    "register": state.value,
                    "words": list(state.words),
                    "descriptor": state.descriptor,
                    "descriptor_words": list(state.descriptor_words),
                }
                for state in states
            ]
        )
        return DONE
    print_table(
        ("register", "alarms", "descriptor", "not yet acknowledged"),
        [
            (
                f"{state.name} {state.value:08X}",
                "; ".join(state.words) or "none",
                "" if state.descriptor is None else f"{state.descriptor:08X}",
                "; ".join(state.descriptor_words) or "none",
            )
            for state in states
        ],
    )
    return DONE


@click.command("push")
@click.argument("url")
@click.option(
    "--to", "destination", required=True, help="HOST:PORT (TCP), or udp://, hdlc+tcp://, mbus+tcp://HOST:PORT."
)
@click.option(
    "--setup", default="0-4:25.9.0", show_default=True, help="Logical name of the push setup: that of alarms."
)
@click.option("--object", "objects", multiple=True, metavar="CLASS:OBIS:ATTRIBUTE", help="What is sent, in this order.")
@click.option("--random", "randomisation", type=click.IntRange(0, 0xFFFF), help="Most seconds of random delay.")
@click.option("--retries", type=click.IntRange(0, 255), help="Attempts after the first.")
@click.option("--delay", type=click.IntRange(0, 0xFFFF), help="Seconds between attempts.")
@click.option("--now", is_flag=True, help="Have it pushed at once.")
@meter_options
def push_command(
    url: str,
    destination: str,
    setup: str,
    objects: tuple[str, ...],
    randomisation: int | None,
    retries: int | None,
    delay: int | None,
    now: bool,
    **options: Any,
) -> int:
    """Say where a push setup sends and, if given, what and how patiently."""
    from cosem.codec import axdr

    chosen = [_object(text) for text in objects] or None
    with connected(url, **options) as meter:
        meter.configure_push(
            destination, setup, objects=chosen, randomisation=randomisation, retries=retries, delay=delay
        )
        if now:
            meter.call(40, setup, 1, axdr.integer(0))
    return DONE


def _object(text: str) -> Any:
    from cosem.classes.common import CaptureObject
    from cosem.obis import Obis

    class_id, _, rest = text.partition(":")
    name, _, attribute = rest.rpartition(":")
    if not (class_id.isdigit() and attribute.isdigit() and name):
        raise ConfigError(f"{text!r} is no CLASS:OBIS:ATTRIBUTE such as 3:1-0:1.8.0:2")
    return CaptureObject(int(class_id), Obis.parse(name), int(attribute))

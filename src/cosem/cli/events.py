"""``cosem events``, ``cosem alarms`` and ``cosem push``: what happened to a meter, and how it is told of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, json_text, print_json, print_table, printable
from cosem.cli.values import parse_time
from cosem.errors import AccessError, ConfigError, CosemError

if TYPE_CHECKING:
    from cosem.client.events import PushState

_NOTHING = (
    "this client sees {0} of the companion profile {1}: another client (client=1) may, or --companion names another"
)
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
    if first is not None and last is not None and (first.tzinfo is None) == (last.tzinfo is None) and first > last:
        raise ConfigError("--from is later than --to: nothing lies between them")
    with connected(url, **options) as meter:
        events = meter.read_events(first, last, groups=groups, companion=companion)
        if not events and not _sees_a_log(meter, groups, companion):
            raise CosemError(_NOTHING.format("no event log", companion))
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
    print_table(("time", "log", "code", "what happened", "besides"), shown, right=(2,))
    return DONE


def _sees_a_log(meter: Any, groups: tuple[str, ...], companion: str) -> bool:
    """Whether any of the logs is there for this client: nothing in them is not the same as nothing to see."""
    from cosem.companions.companion import companion as profile

    for group in profile(companion).groups:
        if not groups or group.name in groups:
            try:
                meter.get(7, group.log, 4)
            except AccessError:
                continue
            return True
    return False


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
    if not states:
        raise CosemError(_NOTHING.format("no alarm register", companion))
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
    "--to", "destination", help="HOST:PORT (TCP), or udp://, hdlc+tcp://, mbus+tcp://HOST:PORT; how it stands without."
)
@click.option(
    "--setup", default="0-4:25.9.0", show_default=True, help="Logical name of the push setup: that of alarms."
)
@click.option("--object", "objects", multiple=True, metavar="CLASS:OBIS:ATTRIBUTE", help="What is sent, in this order.")
@click.option("--random", "randomisation", type=click.IntRange(0, 0xFFFF), help="Most seconds of random delay.")
@click.option("--retries", type=click.IntRange(0, 255), help="Attempts after the first.")
@click.option("--delay", type=click.IntRange(0, 0xFFFF), help="Seconds between attempts.")
@click.option("--now", is_flag=True, help="Have it pushed at once. Whether it arrives only the receiver knows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def push_command(
    url: str,
    destination: str | None,
    setup: str,
    objects: tuple[str, ...],
    randomisation: int | None,
    retries: int | None,
    delay: int | None,
    now: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Say where a push setup sends and, if given, what and how patiently; without --to show how it stands."""
    from cosem.codec import axdr

    what = {
        "objects": [_object(text) for text in objects] or None,
        "randomisation": randomisation,
        "retries": retries,
        "delay": delay,
    }
    if destination is None and any(value is not None for value in what.values()):
        raise ConfigError("--object, --random, --retries and --delay go with --to HOST:PORT")
    with connected(url, **options) as meter:
        found = meter.push_setup(setup) if destination is None else meter.configure_push(destination, setup, **what)
        if now:
            meter.call(40, setup, 1, axdr.integer(0))
    _show_push(found, as_json)
    return DONE


def _show_push(found: PushState, as_json: bool) -> None:
    listed = [f"{item.class_id}:{item.logical_name}:{item.attribute_index}" for item in found.objects]
    if as_json:
        print_json(
            {
                "setup": str(found.name),
                "to": found.url or None,
                "objects": listed,
                "random": found.randomisation,
                "retries": found.retries,
                "delay": found.delay,
            }
        )
        return
    rows = [
        ("sends to", printable(found.url) or "nowhere"),
        *(("what" if n == 0 else "", text) for n, text in enumerate(listed)),
        ("most random delay", f"{found.randomisation} s"),
        ("attempts after the first", found.retries),
        ("delay between attempts", f"{found.delay} s"),
    ]
    print_table((f"push setup {found.name}", "value"), rows)


def _object(text: str) -> Any:
    from cosem.classes.common import CaptureObject
    from cosem.obis import Obis

    class_id, _, rest = text.partition(":")
    name, _, attribute = rest.rpartition(":")
    if not (class_id.isdigit() and attribute.isdigit() and name):
        raise ConfigError(f"{text!r} is no CLASS:OBIS:ATTRIBUTE such as 3:1-0:1.8.0:2")
    return CaptureObject(int(class_id), Obis.parse(name), int(attribute))

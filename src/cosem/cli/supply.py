"""``cosem disconnect``, ``cosem reconnect`` and ``cosem limit``: the supply of the premises."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, SAID_NO, note, print_json, print_table
from cosem.client.verbs import DISCONNECTOR, LIMITER
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.classes.c071_limiter import EmergencyProfile
    from cosem.client.supply import Limits, Supply


# --- disconnect, reconnect -------------------------------------------------------------------------------------


@click.command("disconnect")
@click.argument("url")
@click.argument("name", metavar="[OBIS]", default=DISCONNECTOR)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def disconnect_command(url: str, name: str, as_json: bool, **options: Any) -> int:
    """Disconnect the premises from afar, and look whether they are."""
    with connected(url, **options) as meter:
        found = meter.disconnect(name)
    return _tell(found, found.control_state == 0, as_json)


@click.command("reconnect")
@click.argument("url")
@click.argument("name", metavar="[OBIS]", default=DISCONNECTOR)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def reconnect_command(url: str, name: str, as_json: bool, **options: Any) -> int:
    """Reconnect the premises from afar; in some control modes somebody has to press the button then."""
    with connected(url, **options) as meter:
        found = meter.reconnect(name)
    return _tell(found, found.control_state in (1, 2), as_json)


def _tell(found: Supply, done: bool, as_json: bool) -> int:
    """Print how a disconnector stands, and what is left to do."""
    from cosem.classes.words import enum_words

    state = found.control_state
    words = enum_words(state)
    if as_json:
        print_json(
            {
                "control_state": int(state),
                "state": words,
                "output_state": found.output_state,
                "control_mode": int(found.control_mode),
                "done": done,
            }
        )
        return DONE if done else SAID_NO
    click.echo(f"{words}, control mode {int(found.control_mode)}")
    if not done:
        click.echo("cosem: the control mode does not allow it from here", err=True)
        return SAID_NO
    if state == 2:
        click.echo("somebody has to press the button at the meter; a payment meter wants credit first", err=True)
    if found.output_state is not (state == 1):
        click.echo(f"the contact is still {'closed' if found.output_state else 'open'}", err=True)
    return DONE


# --- limit -----------------------------------------------------------------------------------------------------


@click.command("limit")
@click.argument("url")
@click.argument("threshold", required=False)
@click.option("--emergency", metavar="THRESHOLD", help="Threshold while an emergency profile is active.")
@click.option("--over", type=click.IntRange(0, 0xFFFFFFFF), metavar="S", help="Seconds over it until an action.")
@click.option("--under", type=click.IntRange(0, 0xFFFFFFFF), metavar="S", help="Seconds under it until an action.")
@click.option("--groups", metavar="ID,ID,...", help="Emergency profiles that may become active.")
@click.option("--profile", type=click.IntRange(0, 0xFFFF), metavar="ID", help="Emergency profile to set.")
@click.option("--begin", metavar="TIME", help="When it becomes active, ISO 8601.")
@click.option("--for", "duration", type=click.IntRange(1, 0xFFFFFFFF), metavar="S", help="For how many seconds.")
@click.option("--no-emergency", is_flag=True, help="Let no emergency profile be active.")
@click.option("--limiter", "name", metavar="OBIS", default=LIMITER, help="Another limiter than 0-0:17.0.0.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def limit_command(
    url: str,
    threshold: str | None,
    emergency: str | None,
    over: int | None,
    under: int | None,
    groups: str | None,
    profile: int | None,
    begin: str | None,
    duration: int | None,
    no_emergency: bool,
    name: str,
    as_json: bool,
    **options: Any,
) -> int:
    """Read the limiter, or set it. Thresholds are in the unit of what it watches, as a rule watts."""
    wanted = {
        "emergency": _number(emergency),
        "min_over": over,
        "min_under": under,
        "groups": _ids(groups),
        "profile": _profile(profile, begin, duration, no_emergency),
    }
    normal = _number(threshold)
    with connected(url, **options) as meter:
        found = meter.limit(normal, name=name, **wanted)
    _show(found, as_json)
    if profile is not None and not found.emergency_active:
        if profile in found.groups:
            note("no emergency now: it begins later, or is over already")
        else:
            note(f"no emergency: profile {profile} is none of those that may be active; say so by --groups {profile}")
    return DONE


def _number(text: str | None) -> Decimal | None:
    try:
        number = None if text is None else Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if number is not None and not number.is_finite():
        raise ConfigError(f"{text!r} is no threshold: write a number")
    return number


def _ids(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) <= 0xFFFF for part in parts):
        raise ConfigError(f"{text!r} are no emergency profiles: write numbers from 0 to 65535 with commas")
    return tuple(int(part) for part in parts)


def _profile(profile: int | None, begin: str | None, duration: int | None, none: bool) -> EmergencyProfile | None:
    given = [item is not None for item in (profile, begin, duration)]
    if none:
        if any(given):
            raise ConfigError("--no-emergency goes without --profile, --begin and --for")
        from cosem.client.supply import NO_EMERGENCY

        return NO_EMERGENCY
    if profile is None or begin is None or duration is None:
        if any(given):
            raise ConfigError("an emergency needs --profile, --begin and --for")
        return None
    from cosem.classes.c071_limiter import EmergencyProfile
    from cosem.cli.values import parse_time
    from cosem.times import CosemDateTime

    return EmergencyProfile(profile, CosemDateTime.from_datetime(parse_time(begin)), duration)


def _show(found: Limits, as_json: bool) -> None:
    profile = found.emergency_profile
    emergency = {
        "active": found.emergency_active,
        "profile": profile.emergency_profile_id,
        "begin": profile.emergency_activation_time.isoformat(),
        "seconds": profile.emergency_duration,
        "groups": list(found.groups),
    }
    if as_json:
        print_json(
            {
                "monitored": f"{found.monitored_value.logical_name}:{found.monitored_value.attribute_index}",
                "unit": found.normal.unit.symbol,
                "threshold_active": f"{found.active.value:f}",
                "threshold_normal": f"{found.normal.value:f}",
                "threshold_emergency": f"{found.emergency.value:f}",
                "min_over": found.min_over,
                "min_under": found.min_under,
                "emergency": emergency,
            }
        )
        return
    rows = [
        ("watched", f"{found.monitored_value.logical_name}:{found.monitored_value.attribute_index}"),
        ("active threshold", str(found.active)),
        ("normal threshold", str(found.normal)),
        ("emergency threshold", str(found.emergency)),
        ("over it until an action", f"{found.min_over} s"),
        ("under it until an action", f"{found.min_under} s"),
        ("emergency", "active" if found.emergency_active else "not active"),
    ]
    if profile.emergency_duration:
        begins = f"profile {profile.emergency_profile_id} from {emergency['begin']}"
        rows.append(("emergency profile", f"{begins} for {profile.emergency_duration} s"))
    rows.append(("profiles that may be active", ", ".join(map(str, found.groups)) or "none"))
    print_table(("limiter", "value"), rows)

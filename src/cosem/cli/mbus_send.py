"""``cosem mbus send``: what a meter on a wired bus is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cosem.cli.mbus_bus import TRACE, trace_of
from cosem.cli.mbus_listen import known_models, models_option
from cosem.cli.output import DONE, note
from cosem.errors import ConfigError, DecodeError

if TYPE_CHECKING:
    from cosem.client.mbus import MBus
    from cosem.mbus.ordering import Answer, KeyForm
    from cosem.mbus.primary import MeterAddress

CI_DATA_SEND = "51"
VALVE_ACTIONS = ("close", "release", "open")


@click.command("send")
@click.argument("url")
@click.argument("address")
@click.argument("records", nargs=-1)
@click.option("--clock", metavar="now | T", help="Set the clock: to this machine's local time, or to T (ISO 8601).")
@click.option("--valve", type=click.Choice(VALVE_ACTIONS), help="Move the valve; release lets a person open it.")
@click.option("--acknowledge", is_flag=True, help="Have it forget alarms that are over.")
@click.option("--new-key", "new_key", metavar="SECTION", help="Give it the mbus_key of this section of the key file.")
@click.option(
    "--key-form",
    type=click.Choice(("counted", "bare")),
    default="counted",
    show_default=True,
    help="How it is wrapped under the mbus_default_key: with a counter and a tag (AES-GCM), or bare (AES-CBC).",
)
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file (TOML): protects what is sent.")
@models_option
@click.option(
    "--ci", default=CI_DATA_SEND, show_default=True, metavar="HEX", help="What the data are, sent as they are."
)
@click.option("--reset", is_flag=True, help="Reset the link (SND_NKE).")
@click.option(
    "--application-reset", "subcode", metavar="HEX", help="Reset the application, with a subcode ('' without)."
)
@click.option("--set-address", "new", type=click.IntRange(0, 250), help="Give the meter this primary address.")
@click.option("--set-baud", "baud", type=int, help="Have the meter speak at this speed from now on.")
@TRACE
def send_command(
    url: str,
    address: str,
    records: tuple[str, ...],
    clock: str | None,
    valve: str | None,
    acknowledge: bool,
    new_key: str | None,
    key_form: KeyForm,
    key_file: Path | None,
    model_folder: Path | None,
    ci: str,
    reset: bool,
    subcode: str | None,
    new: int | None,
    baud: int | None,
    verbose: bool,
) -> int:
    """Send RECORDS (each in hex digits, DIF first) to the meter at ADDRESS, or give it an order; 255 is everybody.

    What a meter is told by its model is read back, and printed as one flat JSON line.

    \b
    cosem mbus send mbus+tcp://converter:4001 5 --clock now
    cosem mbus send mbus+tcp://converter:4001 12345678 --valve close --keys keys.toml
    cosem mbus send mbus+tcp://converter:4001 5 017A08            a new primary address, by its record
    """
    from cosem.cli.mbus_decode import meter_keys, meter_names
    from cosem.client.mbus import mbus_connect, meter_address
    from cosem.explain.mbus import no_keys
    from cosem.mbus.keys import KeyStore

    where = meter_address(address)
    octets = b"".join(_octets(record, "a record") for record in records)
    field = _octets(ci, "--ci")
    code = None if subcode is None else _octets(subcode, "--application-reset")
    moment = None if clock is None or clock == "now" else _moment(clock)
    if len(field) != 1 or len(code or b"") > 1:
        raise ConfigError("CI and subcode have one octet each")
    if octets and ci.upper() == CI_DATA_SEND:
        _check_records(octets)
    if not (octets or reset or code is not None or new is not None or baud is not None) and not (
        clock or valve or acknowledge or new_key
    ):
        raise ConfigError(
            "say what to send: records, --clock, --valve, --acknowledge, --new-key, --reset, --application-reset, "
            "--set-address or --set-baud"
        )
    ask, _ = meter_keys(None, key_file, None)
    wrapped = None if new_key is None else _new_key(key_file, new_key)
    store, names = KeyStore(ask=ask), meter_names(key_file)
    with mbus_connect(url, keys=store, known=known_models(model_folder), trace=trace_of(verbose)) as bus:
        if reset:
            if not isinstance(where, int):
                raise ConfigError("the link of a primary address is reset: selecting resets the other one")
            bus.run(bus.primary.reset(where))
        if code is not None:
            bus.application_reset(where, code[0] if code else None)
        if octets and ask is not no_keys and ci.upper() == CI_DATA_SEND:
            from cosem.mbus.record import decode_records

            _tell(bus, names, bus.send_records(where, decode_records(octets).records))
        elif octets:
            bus.send(where, field[0], octets)
        if clock is not None:
            _tell(bus, names, bus.set_clock(where, moment))
        if valve is not None:
            _tell(bus, names, _move(bus, where, valve))
        if acknowledge:
            _tell(bus, names, bus.acknowledge_alarms(where))
        if wrapped is not None:
            key, default = wrapped
            _tell(bus, names, bus.change_key(where, key, under=default, form=key_form))
            note(f"the meter uses the key of [{new_key}] now: its own section has to say the same")
        if new is not None:
            bus.set_address(where, new)
            where = new if isinstance(where, int) else where
        if baud is not None:
            bus.set_baud(where, baud)
    return DONE


def _move(bus: MBus, where: MeterAddress, action: str) -> Answer:
    verbs = {"close": bus.close_valve, "release": bus.release_valve, "open": bus.open_valve}
    return verbs[action](where)


def _tell(bus: MBus, names: dict[str, str], answer: Answer | None) -> None:
    """Print what a meter said after an order, as one flat line."""
    from cosem.mbus.readings import reading

    if answer is not None and answer.telegrams:
        name = "" if answer.meter is None else names.get(answer.meter.number, "")
        now = datetime.now(UTC)
        found = reading(answer.telegrams[0], bus.meters.known, timestamp=now, name=name, records=answer.records)
        click.echo(found.line())


def _new_key(key_file: Path | None, name: str) -> tuple[bytes, bytes]:
    """Return the new key, and the one under which it is wrapped, from a section of the key file."""
    from cosem.client.keyfile import KeyFile

    file = KeyFile.find(key_file)
    section = file.device(name)
    if section.mbus_key is None or section.mbus_default_key is None:
        raise ConfigError(f"{file.source}, [{name}] has to say mbus_key and mbus_default_key")
    return section.mbus_key, section.mbus_default_key


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--clock is now or a local time such as 2026-04-03T12:00, not {text!r}") from None
    if moment.tzinfo is not None:
        raise ConfigError("--clock takes a local time: without an offset")
    return moment


def _octets(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ConfigError(f"{what} is written in hex digits, not {text!r}") from None


def _check_records(octets: bytes) -> None:
    """Refuse what a meter could not read. Raises `ConfigError`."""
    from cosem.mbus.record import decode_records

    try:
        decode_records(octets)
    except DecodeError as error:
        raise ConfigError(f"these are no records: {error}; --ci says what else they are") from None

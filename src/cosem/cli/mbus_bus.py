"""``cosem mbus scan|read|send``: what the master of a wired bus does."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import click

from cosem.cli.output import DONE, SAID_NO, note, print_json, print_table
from cosem.errors import ConfigError, CosemError, DecodeError, RemoteProtocolError, Timeout

if TYPE_CHECKING:
    from cosem.client.mbus import MBus
    from cosem.explain.mbus import KeysOf
    from cosem.explain.mbus_document import TelegramExplained
    from cosem.io.blocking import Trace
    from cosem.mbus.addresses import SecondaryAddress
    from cosem.mbus.primary import MeterAddress, Reply
    from cosem.mbus.search import FoundPrimary, FoundSecondary, PrimaryScan, SecondaryScan

CI_DATA_SEND = "51"
SELECTED = 253
"""The address a meter answers at that was selected by its secondary one."""
_TRACE = click.option("-v", "--verbose", is_flag=True, help="Show the octets on the line on standard error.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def _trace(verbose: bool) -> Trace | None:
    if not verbose:
        return None
    start = time.monotonic()

    def show(direction: str, octets: bytes) -> None:
        click.echo(f"{time.monotonic() - start:9.3f} {direction} {octets.hex(' ')}", err=True)

    return show


def _octets(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ConfigError(f"{what} is written in hex digits, not {text!r}") from None


@click.command("scan")
@click.argument("url")
@click.option("--secondary", is_flag=True, help="Search by secondary address: finds meters that share an address.")
@click.option("--within", metavar="ADDRESS", help="Only meters that match, for example 12FFFFFF (implies --secondary).")
@click.option("--from", "first", type=click.IntRange(0, 250), default=0, help="First primary address.")
@click.option("--to", "last", type=click.IntRange(0, 250), default=250, help="Last primary address.")
@click.option(
    "--tries", type=click.IntRange(1, 20), help="How often an address is asked; by the noise of the bus if not given."
)
@click.option("--read", "reads", is_flag=True, help="Read every meter that was found, too.")
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file (TOML), for --read.")
@_TRACE
@_JSON
def scan_command(
    url: str,
    secondary: bool,
    within: str | None,
    first: int,
    last: int,
    tries: int | None,
    reads: bool,
    key_file: Path | None,
    verbose: bool,
    as_json: bool,
) -> int:
    """Find the meters of the bus at mbus+tcp://HOST:PORT or mbus+serial:///PORT (?baud=2400).

    Nobody at a primary address costs a second for each try; the search by secondary address is quick where few are.
    """
    from cosem.cli.mbus_decode import meter_keys
    from cosem.client.mbus import mbus_connect
    from cosem.mbus.addresses import ANY, SecondaryAddress

    def tell(meter: FoundPrimary | FoundSecondary) -> None:
        if not as_json:
            note(f"found {meter.address}")

    keys, _ = meter_keys(None, key_file, None)
    mask = ANY if within is None else SecondaryAddress.parse(within)
    with mbus_connect(url, trace=_trace(verbose)) as bus:
        if secondary or within is not None:
            by_number = bus.scan_secondary(mask, tries=tries, progress=tell)
            answers = _readings(bus, [meter.address for meter in by_number.found], keys) if reads else []
            return _tell_secondary(by_number, answers, as_json)
        scan = bus.scan_primary(range(first, last + 1), tries=tries, progress=tell)
        answers = _readings(bus, [meter.address for meter in scan.found], keys) if reads else []
        return _tell_primary(scan, answers, as_json)


Reading = Union["TelegramExplained", CosemError]
"""What a meter answered, or why it did not."""


def _readings(bus: MBus, meters: Sequence[MeterAddress], keys: KeysOf) -> list[Reading]:
    """Read meters one after the other; one that is silent or garbled costs itself only."""
    found: list[Reading] = []
    for where in meters:
        try:
            found.append(_explained(bus.read(where), where, keys))
        except (Timeout, RemoteProtocolError, DecodeError) as error:
            found.append(error)
    return found


def _with_readings(meters: list[dict[str, Any]], answers: Sequence[Reading]) -> list[dict[str, Any]]:
    for meter, answer in zip(meters, answers, strict=False):
        if isinstance(answer, CosemError):
            meter["reading"] = {"error": {"what": str(answer), "kind": type(answer).__name__}}
        else:
            meter["reading"] = answer.to_json()
    return meters


def _show_readings(answers: Sequence[Reading]) -> None:
    from cosem.cli.mbus_text import print_telegram

    for answer in answers:
        if isinstance(answer, CosemError):
            note(str(answer))
        else:
            print_telegram(answer, octets=False)


def _identity(address: SecondaryAddress | None) -> dict[str, Any]:
    if address is None:
        return {"secondary": None}
    return {
        "secondary": str(address),
        "identification": address.identification,
        "manufacturer": address.manufacturer,
        "version": address.version,
        "medium": address.medium,
    }


def _tell_primary(scan: PrimaryScan, answers: Sequence[Reading], as_json: bool) -> int:
    if as_json:
        meters = [{"primary": meter.address, **_identity(meter.identity)} for meter in scan.found]
        print_json({"meters": _with_readings(meters, answers), "collisions": list(scan.collisions)})
    else:
        print_table(
            ("primary", "secondary"), [(meter.address, meter.identity or "") for meter in scan.found], right=(0,)
        )
        for address in scan.collisions:
            note(f"several meters share address {address}: tell them apart with --secondary")
        _show_readings(answers)
    return DONE if scan.found or scan.collisions else SAID_NO


def _tell_secondary(scan: SecondaryScan, answers: Sequence[Reading], as_json: bool) -> int:
    if as_json:
        meters = [{"primary": meter.primary, **_identity(meter.address)} for meter in scan.found]
        print_json({"meters": _with_readings(meters, answers), "unresolved": [str(mask) for mask in scan.unresolved]})
    else:
        print_table(("secondary", "primary"), [(meter.address, meter.primary) for meter in scan.found], right=(1,))
        for mask in scan.unresolved:
            note(f"somebody acknowledges at {mask} and cannot be told from others")
        _show_readings(answers)
    return DONE if scan.found else SAID_NO


@click.command("read")
@click.argument("url")
@click.argument("address")
@click.option("--alarm", is_flag=True, help="Ask for alarms (class 1) instead of data.")
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file (TOML): a section for each meter.")
@click.option("--octets", is_flag=True, help="Explain every octet, layer by layer.")
@click.option("--raw", is_flag=True, help="Print CI and octets of every telegram, and no values.")
@_TRACE
@_JSON
def read_command(
    url: str, address: str, alarm: bool, key_file: Path | None, octets: bool, raw: bool, verbose: bool, as_json: bool
) -> int:
    """Read the meter at ADDRESS: a primary one (0 to 250), or a secondary one such as 12345678 or 12345678-KAM-01-04.

    Prints the values of its answer, whatever number of telegrams that has.
    """
    from cosem.cli.mbus_decode import meter_keys
    from cosem.client.mbus import mbus_connect, meter_address

    where = meter_address(address)
    keys, _ = meter_keys(None, key_file, None)
    with mbus_connect(url, trace=_trace(verbose)) as bus:
        if alarm:
            answer = bus.read_alarm(where)
            telegrams = [] if answer is None else [answer]
        else:
            telegrams = [*bus.read(where)]
    if raw and not as_json:
        for telegram in telegrams:
            click.echo(f"{telegram.ci:02x} {telegram.octets.hex()}")
    if not telegrams:
        if as_json:
            print_json({"header": {}, "records": [], "telegrams": []})
        else:
            note("the meter has nothing to say")
        return DONE
    if raw and not as_json:
        return DONE
    said = _explained(telegrams, where, keys)
    if as_json:
        print_json({**said.to_json(octets=octets), "telegrams": _raw(telegrams)})
    else:
        from cosem.cli.mbus_text import print_telegram

        print_telegram(said, octets=octets, colour=sys.stdout.isatty())
    return DONE if said.error is None else SAID_NO


def _raw(telegrams: Sequence[Reply]) -> list[dict[str, Any]]:
    return [{"ci": telegram.ci, "octets": telegram.octets.hex()} for telegram in telegrams]


def _explained(telegrams: Sequence[Reply], where: MeterAddress, keys: KeysOf) -> TelegramExplained:
    """Return what the telegrams of one answer say: the one place where a bus's octets become values."""
    from cosem.explain.mbus import explain_answer
    from cosem.mbus.wireless import Address

    if isinstance(where, int):
        return explain_answer(telegrams, keys=keys, address=where)
    # An answer with a short header does not say whose it is: then it is that of who was asked.
    meter = Address.from_header(where.octets) if where.exact else None
    return explain_answer(telegrams, keys=keys, address=SELECTED, meter=meter)


def _check_records(octets: bytes) -> None:
    """Refuse what a meter could not read. Raises `ConfigError`."""
    from cosem.mbus.record import decode_records

    try:
        decode_records(octets)
    except DecodeError as error:
        raise ConfigError(f"these are no records: {error}; --ci says what else they are") from None


@click.command("send")
@click.argument("url")
@click.argument("address")
@click.argument("records", nargs=-1)
@click.option("--ci", default=CI_DATA_SEND, show_default=True, metavar="HEX", help="What the data are.")
@click.option("--reset", is_flag=True, help="Reset the link (SND_NKE).")
@click.option(
    "--application-reset", "subcode", metavar="HEX", help="Reset the application, with a subcode ('' without)."
)
@click.option("--set-address", "new", type=click.IntRange(0, 250), help="Give the meter this primary address.")
@click.option("--set-baud", "baud", type=int, help="Have the meter speak at this speed from now on.")
@_TRACE
def send_command(
    url: str,
    address: str,
    records: tuple[str, ...],
    ci: str,
    reset: bool,
    subcode: str | None,
    new: int | None,
    baud: int | None,
    verbose: bool,
) -> int:
    """Send RECORDS (each in hex digits, DIF first) to the meter at ADDRESS, or give it an order; 255 is everybody.

    \b
    cosem mbus send mbus+tcp://converter:4001 5 017A08            a new primary address, by its record
    cosem mbus send mbus+tcp://converter:4001 5 046D3B173A35      date and time
    """
    from cosem.client.mbus import mbus_connect, meter_address

    where = meter_address(address)
    octets = b"".join(_octets(record, "a record") for record in records)
    field = _octets(ci, "--ci")
    code = None if subcode is None else _octets(subcode, "--application-reset")
    if len(field) != 1 or len(code or b"") > 1:
        raise ConfigError("CI and subcode have one octet each")
    if octets and ci.upper() == CI_DATA_SEND:
        _check_records(octets)
    if not (octets or reset or code is not None or new is not None or baud is not None):
        raise ConfigError("say what to send: records, --reset, --application-reset, --set-address or --set-baud")
    with mbus_connect(url, trace=_trace(verbose)) as bus:
        if reset:
            if not isinstance(where, int):
                raise ConfigError("the link of a primary address is reset: selecting resets the other one")
            bus.run(bus.primary.reset(where))
        if code is not None:
            bus.application_reset(where, code[0] if code else None)
        if octets:
            bus.send(where, field[0], octets)
        if new is not None:
            bus.set_address(where, new)
            where = new if isinstance(where, int) else where
        if baud is not None:
            bus.set_baud(where, baud)
    return DONE

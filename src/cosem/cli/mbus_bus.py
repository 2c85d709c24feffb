"""``cosem mbus scan|read|send``: what the master of a wired bus does."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import click

from cosem.cli.mbus_listen import flat_reading, known_models, models_option
from cosem.cli.output import DONE, SAID_NO, note, print_json, print_table
from cosem.errors import ConfigError, ConnectionLost, CosemError, DecodeError, RemoteProtocolError, Timeout

if TYPE_CHECKING:
    from cosem.client.mbus import MBus
    from cosem.explain.mbus_document import TelegramExplained
    from cosem.io.blocking import Trace
    from cosem.mbus.addresses import SecondaryAddress
    from cosem.mbus.keys import KeysOf
    from cosem.mbus.model import Models
    from cosem.mbus.primary import MeterAddress, Reply
    from cosem.mbus.search import FoundPrimary, FoundSecondary, PrimaryScan, SecondaryScan

SELECTED = 253
"""The address a meter answers at that was selected by its secondary one."""
TRACE = click.option("-v", "--verbose", is_flag=True, help="Show the octets on the line on standard error.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_FLAT = click.option("--flat", is_flag=True, help="Print one flat JSON object per meter and line, by its model.")


def trace_of(verbose: bool) -> Trace | None:
    """Return what shows the octets on the line, if somebody wants to see them."""
    if not verbose:
        return None
    start = time.monotonic()

    def show(direction: str, octets: bytes) -> None:
        click.echo(f"{time.monotonic() - start:9.3f} {direction} {octets.hex(' ')}", err=True)

    return show


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
@models_option
@_FLAT
@TRACE
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
    model_folder: Path | None,
    flat: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Find the meters of the bus at mbus+tcp://HOST:PORT or mbus+serial:///PORT (?baud=2400).

    Nobody at a primary address costs a second for each try; the search by secondary address is quick where few are.
    """
    from cosem.cli.mbus_decode import meter_keys, meter_names
    from cosem.client.mbus import mbus_connect
    from cosem.mbus.addresses import ANY, SecondaryAddress
    from cosem.mbus.keys import KeyStore
    from cosem.mbus.search import SecondaryScan

    def tell(meter: FoundPrimary | FoundSecondary) -> None:
        if not as_json:
            note(f"found {meter.address}")

    if flat and as_json:
        raise ConfigError("--flat and --json print different things")
    keys, _ = meter_keys(None, key_file, None)
    names, known = meter_names(key_file), known_models(model_folder)
    mask = ANY if within is None else SecondaryAddress.parse(within)
    by_number = secondary or within is not None
    scan: PrimaryScan | SecondaryScan
    with mbus_connect(url, keys=KeyStore(ask=keys), trace=trace_of(verbose)) as bus:
        if by_number:
            scan = bus.scan_secondary(mask, tries=tries, progress=tell)
        else:
            scan = bus.scan_primary(range(first, last + 1), tries=tries, progress=tell)
        meters = [meter.address for meter in scan.found]
        answers = _readings(bus, meters, keys) if reads or flat else []
    if flat:
        for answer in answers:
            _tell_flat(answer, known, names)
        return DONE if scan.found else SAID_NO
    return (
        _tell_secondary(scan, answers, as_json)
        if isinstance(scan, SecondaryScan)
        else _tell_primary(scan, answers, as_json)
    )


def _tell_flat(answer: Reading, known: Models, names: dict[str, str]) -> bool:
    """Print a reading as one flat line; on standard error why there is none. Return whether there is one."""
    if isinstance(answer, CosemError):
        note(str(answer))
        return False
    if answer.error is not None or answer.sealed:
        why = answer.note or "protected" if answer.error is None else answer.error.what
        note(f"{answer.header().get('identification') or 'a meter'}: {why}")
        return False
    name = names.get(answer.header().get("identification") or "", "")
    click.echo(flat_reading(answer, known, datetime.now(UTC), name).line())
    return True


Reading = Union["TelegramExplained", CosemError]
"""What a meter answered, or why it did not."""


def _readings(bus: MBus, meters: Sequence[MeterAddress], keys: KeysOf) -> list[Reading]:
    """Read meters one after the other; one that is silent or garbled, or a line that breaks, costs itself only."""
    found: list[Reading] = []
    for where in meters:
        try:
            found.append(_explained(bus.read(where), where, keys))
        except (ConnectionLost, Timeout, RemoteProtocolError, DecodeError) as error:
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
@models_option
@_FLAT
@click.option("--octets", is_flag=True, help="Explain every octet, layer by layer.")
@click.option("--raw", is_flag=True, help="Print CI and octets of every telegram, and no values.")
@TRACE
@_JSON
def read_command(
    url: str,
    address: str,
    alarm: bool,
    key_file: Path | None,
    model_folder: Path | None,
    flat: bool,
    octets: bool,
    raw: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Read the meter at ADDRESS: a primary one (0 to 250), or a secondary one such as 12345678 or 12345678-KAM-01-04.

    Prints the values of its answer, whatever number of telegrams that has.
    """
    from cosem.cli.mbus_decode import meter_keys, meter_names
    from cosem.client.mbus import mbus_connect, meter_address
    from cosem.mbus.keys import KeyStore

    if flat + raw + as_json > 1:
        raise ConfigError("--flat, --raw and --json print different things")
    where = meter_address(address)
    keys, _ = meter_keys(None, key_file, None)
    names, known = meter_names(key_file), known_models(model_folder)
    with mbus_connect(url, keys=KeyStore(ask=keys), trace=trace_of(verbose)) as bus:
        if alarm:
            answer = bus.read_alarm(where)
            telegrams = [] if answer is None else [answer]
        else:
            telegrams = [*bus.read(where)]
    if raw:
        for telegram in telegrams:
            click.echo(f"{telegram.ci:02x} {telegram.octets.hex()}")
    if not telegrams:
        if as_json:
            print_json({"header": {}, "records": [], "telegrams": []})
        else:
            note("the meter has nothing to say")
        return DONE
    if raw:
        return DONE
    said = _explained(telegrams, where, keys)
    if flat:
        return DONE if _tell_flat(said, known, names) else SAID_NO
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
    meter = Address.from_header(where.octets) if "F" not in where.identification else None
    return explain_answer(telegrams, keys=keys, address=SELECTED, meter=meter)

"""``cosem probe``: try framings, addresses and referencing on a silent or unknown meter, and say what was found."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cosem.cli.output import DONE, SAID_NO, note, print_json, printable
from cosem.cli.trace import Tracer, trace_options
from cosem.cli.values import NumberRange
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.client.probe import ProbeMachine, Report
    from cosem.client.url import MeterUrl
    from cosem.io.blocking import Trace, Transport

TIMEOUT = 3.0
PAUSE = 0.5


@click.command("probe")
@click.argument("url")
@click.option("--timeout", type=NumberRange(0.05, 60), help=f"Seconds to wait for an answer ({TIMEOUT:g}).")
@click.option("--pause", type=NumberRange(0, 60), default=PAUSE, show_default=True, help="Seconds between tries.")
@trace_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def probe_command(
    url: str, timeout: float | None, pause: float, as_json: bool, verbose: int, trace_file: Path | None
) -> int:
    """Find out how the meter at tcp://HOST:PORT, hdlc+tcp://HOST:PORT, hdlc+serial:///PORT or optical:///PORT wants to
    be spoken to.

    Tries the wrapper and HDLC, usual addresses, logical and short names; on serial ports mode E and the usual speeds: a
    few times, with pauses, as the public client only. No password and no key is ever tried.
    """
    from cosem.client.url import MeterUrl

    parsed = MeterUrl.parse(url)
    if parsed.transport == "udp":
        raise ConfigError("probe tries meters over TCP and on serial ports: write tcp://, hdlc+tcp://, hdlc+serial://")
    with Tracer(verbose, trace_file, url, None) as tracer:
        report = run_probe(parsed, timeout or parsed.timeout or TIMEOUT, pause, quiet=as_json, trace=tracer.sink)
    if as_json:
        print_json(report.to_json(parsed.host, parsed.port))
    else:
        for line in report.words():
            click.echo(printable(line))
        if (following := report.url(parsed.host, parsed.port)) is not None:
            click.echo(f"Use next: {click.style(following, bold=True)}")
            try:
                MeterUrl.parse(following)
            except ConfigError as error:
                note(f"What was found cannot be read with this version: {error}")
    return DONE if report.found is not None else SAID_NO


def run_probe(
    url: MeterUrl, timeout: float, pause: float, *, quiet: bool = False, trace: Trace | None = None
) -> Report:
    """Drive a probe: a new connection, or the port opened anew, for every try, and a pause before the next."""
    import secrets

    from cosem.client.probe import SILENT, Outcome, ProbeMachine, attempt, plan, probe, serial_plan
    from cosem.io.blocking import BlockingDriver

    place = (url.server, url.physical, url.address_size)
    steps = probe(plan(url.framing, *place) if url.serial is None else serial_plan(url.serial, *place))
    trying = next(steps)
    first = trying
    while True:
        machine = ProbeMachine(trying, timeout)
        driver = BlockingDriver(machine, _transport(url, machine, timeout), trace=trace)
        try:
            outcome = driver.run(attempt(machine, secrets.token_bytes))
        except ConfigError as error:
            # A port that does not have this speed has others; one that cannot be used at all says so at once.
            if trying is first or trying.port is None:
                raise
            outcome = Outcome(SILENT, str(error))
        finally:
            driver.close()
        if not quiet:
            note(f"{trying}: {outcome.reason or outcome.kind}")
        try:
            trying = steps.send(outcome)
        except StopIteration as stop:
            report: Report = stop.value
            return report
        time.sleep(pause)


def _transport(url: MeterUrl, machine: ProbeMachine, timeout: float) -> Transport:
    """Return the way to the meter: the serial port follows the line of the machine's link."""
    from cosem.io.blocking import TcpTransport
    from cosem.link.serial import SerialLink

    if isinstance(machine.link, SerialLink) and url.serial is not None:
        from cosem.io.serial import SerialTransport

        return SerialTransport(url.serial.path, machine.link.line)
    return TcpTransport(url.host, url.port, timeout=timeout)

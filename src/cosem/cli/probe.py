"""``cosem probe``: try framings, addresses and referencing on a silent or unknown meter, and say what was found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from cosem.cli.output import DONE, SAID_NO, note, print_json, printable
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.client.probe import Report
    from cosem.client.url import MeterUrl

TIMEOUT = 3.0
PAUSE = 0.5


@click.command("probe")
@click.argument("url")
@click.option("--timeout", type=click.FloatRange(0.05, 60), help=f"Seconds to wait for an answer ({TIMEOUT:g}).")
@click.option("--pause", type=click.FloatRange(0, 60), default=PAUSE, show_default=True, help="Seconds between tries.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def probe_command(url: str, timeout: float | None, pause: float, as_json: bool) -> int:
    """Find out how the meter at tcp://HOST:PORT or hdlc+tcp://HOST:PORT wants to be spoken to.

    Tries the wrapper and HDLC, usual addresses, logical and short names: a few times, with pauses, as the public client
    only. No password and no key is ever tried.
    """
    from cosem.client.url import MeterUrl

    parsed = MeterUrl.parse(url)
    if getattr(parsed, "transport", "tcp") != "tcp":
        raise ConfigError("probe tries meters over TCP: write tcp://host:port or hdlc+tcp://host:port")
    report = run_probe(parsed, timeout or parsed.timeout or TIMEOUT, pause, quiet=as_json)
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


def run_probe(url: MeterUrl, timeout: float, pause: float, *, quiet: bool = False) -> Report:
    """Drive a probe over TCP: a new connection for every try, and a pause before the next."""
    import secrets

    from cosem.client.probe import ProbeMachine, attempt, plan, probe
    from cosem.io.blocking import BlockingDriver, TcpTransport

    steps = probe(plan(url.framing, url.server, url.physical, url.address_size))
    trying = next(steps)
    while True:
        machine = ProbeMachine(trying, timeout)
        driver = BlockingDriver(machine, TcpTransport(url.host, url.port, timeout=timeout))
        try:
            outcome = driver.run(attempt(machine, secrets.token_bytes))
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

"""``cosem demo``: a neighbourhood and the head-end that reads it, together: a night's account, then the pages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import click

from cosem.cli.demo_setup import (
    NIGHT,
    PASSWORD,
    PEOPLE,
    PRICES,
    RATES,
    learn_types,
    make_people,
    make_plans,
    settings_of,
    take_shipment,
    told_of,
)
from cosem.cli.output import DONE, SAID_NO, heading, note, print_json
from cosem.cli.values import NumberRange
from cosem.errors import ConfigError

GONE_SECONDS: Final = 5.0
"""How long the neighbourhood may take to end."""
SAY_SECONDS: Final = 0.2


@click.command("demo")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the pages are served.")
@click.option("--port", default=8080, type=click.IntRange(0, 65535), show_default=True, help="Their port; 0: any.")
@click.option("--meters", default=200, type=int, show_default=True, help="Electricity meters.")
@click.option("--power-line", default=40, type=int, show_default=True, help="How many of them are on the power line.")
@click.option("--utilities", default=150, type=int, show_default=True, help="Gas, water and heat meters on M-Bus.")
@click.option("--days", default=1.0, type=NumberRange(0, 400), show_default=True, help="Days it has lived before.")
@click.option("--seed", default=1, type=click.IntRange(0, 9_999), show_default=True, help="Same seed, same neighbours.")
@click.option("--speed", default=1.0, type=NumberRange(1, 3600), show_default=True, help="Virtual seconds per second.")
@click.option("--calm", is_flag=True, help="Nothing happens by chance.")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Where the head-end lives; a passing one else."
)
@click.option("--once", is_flag=True, help="End behind the night's account.")
@click.option("--json", "as_json", is_flag=True, help="With --once: print the account as one JSON document.")
def demo_command(**options: Any) -> int:
    """Bring a neighbourhood to life, read it through a head-end, and show both on pages until interrupted.

    Three concentrators, electricity, gas, water and heat meters, a power line and a gas station live in a process of
    their own. The head-end takes them in from their factory's shipment file, learns what they keep, reads last night,
    accounts for every device, and then serves its pages: open the address that is printed.
    """
    if options["as_json"] and not options["once"]:
        raise ConfigError("--json is for --once: pages say the rest")
    from cosem.simulator.neighbourhood.layout import NeighbourhoodSettings

    # What is wrong with it is said here, and not by a process that does not begin.
    NeighbourhoodSettings(
        options["meters"], options["utilities"], options["power_line"], options["days"], options["seed"]
    )
    if not options["once"]:
        from cosem.headend.service import bound

        # A port that is taken is told before anybody lives, and not when all of it is done.
        bound(options["host"], options["port"]).close()
    with contextlib.ExitStack() as stack:
        folder = options["folder"] or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cosem-demo-")))
        from cosem.headend.folder import DATABASE, Lock, make_folder

        if (folder / DATABASE).exists():
            raise ConfigError(f"{folder} is a head-end's already, and this neighbourhood would be another one")
        make_folder(folder)
        with Lock(folder), contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            return asyncio.run(_demo(folder, options))
    return DONE


async def _demo(folder: Path, options: dict[str, Any]) -> int:
    from cosem.headend.database import open_database
    from cosem.headend.folder import DATABASE
    from cosem.headend.service import Listening, serve_headend, working
    from cosem.headend.vault import Vault
    from cosem.headend.web.frame import PageSettings
    from cosem.simulator.neighbourhood.clock import FollowedClock
    from cosem.simulator.neighbourhood.control import ControlClient
    from cosem.simulator.neighbourhood.shipment import DEMO_TRANSPORT_KEY

    present = asyncio.current_task()
    assert present is not None
    with contextlib.suppress(NotImplementedError):
        # What was begun is ended in order, as after an interrupt.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, present.cancel)
    begun = time.monotonic()
    quiet = options["as_json"]
    if not quiet:
        heading("1  A neighbourhood comes to life")
    async with _neighbourhood(folder, options) as ready:
        # What both need is made while the neighbours live through their day.
        open_database(folder / DATABASE).dispose()
        Vault.find(folder, create=True)
        addresses = await ready
        host, _, port = addresses["control"].rpartition(":")
        control = ControlClient(host, int(port))
        at = await control.call("time")
        clock = FollowedClock(at["now"], at["speed"], time.monotonic)
        if not quiet:
            click.echo(f"   {addresses['devices']} devices, after {time.monotonic() - begun:.0f} s\n")
            heading("2  Its head-end takes them in and learns what they keep")
        async with working(settings_of(folder), schedule=False, clock=clock) as headend:
            following = asyncio.create_task(_follow(control, clock))
            try:
                taken = await asyncio.to_thread(take_shipment, headend, folder / SHIPMENT, DEMO_TRANSPORT_KEY)
                failed = await learn_types(headend)
                plan = await asyncio.to_thread(make_plans, headend)
                await asyncio.to_thread(make_people, headend, int(time.time()))
                if not quiet:
                    click.echo(f"   {taken} devices from the shipment, keys and all")
                    for name, why in failed.items():
                        note(f"   {name}: {why}")
                    click.echo()
                    heading("3  Last night is read")
                report = await _night(headend, plan, quiet)
                over = time.monotonic() - begun
                if options["once"]:
                    if quiet:
                        print_json(report | {"seconds": round(over, 1)})
                    return DONE if report["account"].get("waiting", 0) == 0 else SAID_NO
                headend.begin_schedule(headend.clock())
                await serve_headend(
                    headend,
                    Listening(options["host"], options["port"], 0),
                    lambda where: _serving(where, over, control),
                    PageSettings(
                        title="cosem demonstration",
                        wall=time.time,
                        play=control,
                        rates=RATES,
                        prices=PRICES,
                        guests=tuple((name, f"{role}: {words}", PASSWORD) for name, role, words in PEOPLE),
                    ),
                )
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                control.hang_up()
    return DONE


SHIPMENT: Final = "shipment.json"


@asynccontextmanager
async def _neighbourhood(folder: Path, options: dict[str, Any]) -> AsyncIterator[asyncio.Task[dict[str, Any]]]:
    """Run the neighbourhood in a process of its own; gives who waits for its addresses."""
    arguments = ["--shipment", str(folder / SHIPMENT), "--json", "--until-eof"]
    for name in ("meters", "power_line", "utilities", "days", "seed", "speed"):
        arguments += [f"--{name.replace('_', '-')}", str(options[name])]
    if options["calm"]:
        arguments.append("--calm")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cosem", "simulate", "neighbourhood", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL if options["as_json"] else None,
        # An interrupt of the terminal is for this process, which ends the other in order.
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    stream = process.stdout

    async def ready() -> dict[str, Any]:
        line = await stream.readline()
        try:
            document: dict[str, Any] = json.loads(line)
        except ValueError:
            raise ConfigError("the neighbourhood did not come to life") from None
        if "control" not in document:
            error = document.get("error", {})
            raise ConfigError(error.get("what", "the neighbourhood did not come to life"))
        return document

    waiting = asyncio.create_task(ready())
    try:
        yield waiting
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), GONE_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _follow(control: Any, clock: Any) -> None:
    """Keep the head-end's clock that of the neighbourhood."""
    while True:
        with contextlib.suppress(OSError, ValueError):
            async for told in control.follow():
                if "time" in told:
                    clock.heard(told["time"])
        await asyncio.sleep(1.0)


async def _night(headend: Any, plan: int, quiet: bool) -> dict[str, Any]:
    """Carry out the night's plan now, saying how far it is; return its account."""
    from cosem.cli.headend_plans import Saying, run_report, show_report
    from cosem.headend.plans import Plans

    run = await headend.run(plan, spread=False)
    say = Saying()

    def account() -> dict[str, int]:
        with headend.engine.connect() as connection:
            return dict(Plans(connection).account(run))

    over = asyncio.create_task(headend.finished(run))
    try:
        while not over.done():
            await asyncio.wait([over], timeout=SAY_SECONDS)
            found = await asyncio.to_thread(account)
            total, done = told_of(found)
            if not quiet:
                say(found, done == total and over.done())
        await over
    finally:
        over.cancel()
        await asyncio.gather(over, return_exceptions=True)
    report = run_report(headend.engine, run, NIGHT)
    if not quiet:
        click.echo()
        show_report(report)
    return report


def _serving(where: dict[str, Any], seconds: float, control: Any) -> None:
    click.echo()
    heading("4  Everything is on a page now")
    click.echo(f"   open  {where['api']}")
    click.echo(f"   the night was accounted for {seconds:.0f} s after the start; interrupt (Ctrl-C) to stop")
    if "push" in where:
        task = asyncio.get_running_loop().create_task(control.call("push to", value=where["push"]))
        _kept.add(task)
        task.add_done_callback(_kept.discard)


_kept: set[asyncio.Task[Any]] = set()

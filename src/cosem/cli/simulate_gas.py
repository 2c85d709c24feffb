"""``cosem simulate gas``: be a gas device that behaves."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from cosem.cli.output import DONE, note
from cosem.cli.values import NumberRange
from cosem.errors import ConfigError

_PORT = click.IntRange(0, 65535)
_UNUSED: Final = {
    "hdlc_information": 128,
    "hdlc_window": 1,
    "dial": None,
    "heartbeat": False,
    "optical": None,
    "p1": None,
    "referencing": "ln",
    "model_file": None,
}
"""What an electricity meter can be told besides."""


@click.command("gas")
@click.option(
    "--device",
    "kind",
    type=click.Choice(("converter", "energy", "chromatograph")),
    default="converter",
    show_default=True,
    help="A volume and energy converter, an energy converter behind one, or an analyser.",
)
@click.option("--market", default="generic", show_default=True, help="Object map: which codes show what.")
@click.option("--method", metavar="M", help="Method of compressibility, as of `cosem gas z`; sgerg88 without it.")
@click.option("--site", type=click.Choice(("industry", "household")), help="What flows; industry without it.")
@click.option("--analyser", is_flag=True, help="Let a chromatograph beside the converter bring it the gas quality.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=4059, type=_PORT, show_default=True, help="TCP and UDP port of the wrapper; 0: any.")
@click.option("--hdlc-port", default=None, type=_PORT, help="TCP port of HDLC; the wrapper's plus 1 without it.")
@click.option("--serial", metavar="PORT", help="Also serve HDLC on a serial port; pty makes a pseudo-terminal.")
@click.option("--echo", is_flag=True, help="Give back whatever comes on that port.")
@click.option("--days", default=31.0, type=NumberRange(0, 3660), show_default=True, help="Days it has lived before.")
@click.option("--seed", default=1, type=click.IntRange(0, 999_999), show_default=True, help="Same seed, same device.")
@click.option("--at", "at", metavar="T", help="The device's present, ISO 8601; now without it.")
@click.option("--speed", default=1.0, type=NumberRange(0, 1e6), show_default=True, help="Virtual seconds per second.")
@click.option("--cycle", type=click.IntRange(1, 3600), help="Seconds between two conversions; 60 without it.")
@click.option("--auth", default="high-gmac", show_default=True, help="Authentication of the management client (SAP 1).")
@click.option("--security", default="both", show_default=True, help="Policy of the management client.")
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file; example keys without it.")
@click.option("--device-keys", "device", metavar="SECTION", help="Section of the key file.")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    help="Let this happen to it (TOML, see docs/gas.md); its start is the present unless --at says another.",
)
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as one JSON document.")
def simulate_gas(**options: Any) -> int:
    """Be a gas device until interrupted: a converter with archives, logs and locks, or a chromatograph.

    Clients: 16 public without security, 1 management, 2 reading with the password. The locks of example devices open
    with the codes `customer`, `supplier` and `certification`.
    """
    from cosem.cli.simulate import serve

    device, keys_note = build(options)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(device, options | _UNUSED, keys_note))
    return DONE


def build(options: dict[str, Any]) -> tuple[Any, str]:
    """Return the device, which has lived its days, and what is to be said of its keys."""
    from cosem.cli.models import keys_of, present

    scenario = _scenario(options)
    given = dict(scenario.meter) if scenario is not None else {}
    secrets = keys_of(options)
    end = present(options)
    if scenario is not None and options["at"] is None:
        end = datetime.fromtimestamp(scenario.start, UTC)
    make = _chromatograph if options["kind"] == "chromatograph" else _converter
    device = make(options, given, _clients(options, secrets), end)
    if scenario is not None:
        _play(device, scenario)
    return device, secrets.note


def _clients(options: dict[str, Any], secrets: Any) -> dict[str, Any]:
    """Return the settings of who may come in, and how."""
    from cosem.client.url import AUTHENTICATION, SECURITY

    if options["auth"] not in AUTHENTICATION:
        raise ConfigError(f"--auth {options['auth']} is none of {', '.join(AUTHENTICATION)}")
    if options["security"] not in SECURITY:
        raise ConfigError(f"--security {options['security']} is none of {', '.join(SECURITY)}")
    mechanism = AUTHENTICATION[options["auth"]]
    policy = SECURITY[options["security"]] >> 4
    if (policy or mechanism == 5) and secrets.keys.global_unicast_encryption_key is None:
        raise ConfigError(f"{options['key_file']} holds no global_unicast_encryption_key for this device")
    return {
        "keys": secrets.keys,
        "secret": secrets.password if mechanism == 1 else secrets.secret,
        "password": secrets.password,
        "mechanism": mechanism,
        "policy": policy,
        **({} if secrets.title is None else {"system_title": secrets.title}),
    }


def _scenario(options: dict[str, Any]) -> Any:
    from cosem.simulator.gas_inputs import GAS_BUILDING, GAS_INPUTS
    from cosem.simulator.scenario import load

    return None if options["scenario"] is None else load(options["scenario"], GAS_INPUTS, GAS_BUILDING)


def _converter(options: dict[str, Any], given: dict[str, Any], clients: dict[str, Any], end: datetime) -> Any:
    from dataclasses import replace

    from cosem.simulator.gas import (
        built_by,
        demo_converter,
        simulated_chromatograph,
        simulated_converter,
        simulated_energy_converter,
    )

    site = options["site"] or given.get("site", "industry")
    if options["kind"] == "energy" and site != "industry":
        raise ConfigError("an energy converter has an industry before it: --site belongs to a converter")
    method = options["method"] or given.get("method", "sgerg88")
    settings = demo_converter(options["seed"], method=method, site=site)
    given = {name: value for name, value in given.items() if name != "method"}
    said = {"market": options["market"]} if options["market"] != "generic" else {}
    if options["cycle"] is not None:
        said["cycle"] = options["cycle"]
    settings = replace(built_by(given, settings), **clients, **said)
    life = {"seed": options["seed"], "end": end, "days": options["days"], "settings": settings}
    device: Any
    if options["kind"] == "energy":
        device = simulated_energy_converter(**life)
    else:
        device = simulated_converter(**life, site=site)
    if options["analyser"]:
        device.beside(simulated_chromatograph(seed=options["seed"], end=end, days=0))
    return device


def _chromatograph(options: dict[str, Any], given: dict[str, Any], clients: dict[str, Any], end: datetime) -> Any:
    from dataclasses import replace

    from cosem.simulator.gas import demo_chromatograph, simulated_chromatograph

    if options["analyser"] or options["method"] or options["site"]:
        raise ConfigError("--analyser, --method and --site belong to a converter")
    market = given.get("market", options["market"])
    settings = replace(demo_chromatograph(options["seed"], market=market), **clients)
    return simulated_chromatograph(seed=options["seed"], end=end, days=options["days"], settings=settings)


def _play(device: Any, scenario: Any) -> None:
    """Let the scenario happen, and say on standard error what is done."""
    from cosem.simulator.scenario import Player, local_time

    def tell(entry: Any, result: str) -> None:
        note(f"{local_time(device.clock, device.now)} {entry.words}" + (f": {result}" if result else ""))

    Player(device, scenario).told.append(tell)

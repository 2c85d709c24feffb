"""Models of devices on the command line: which file, which keys, and under which URLs the device is reached."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cosem.cli.values import parse_time
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.device.model import ModelMeter
    from cosem.models import DeviceModel
    from cosem.security.keys import Keys

_NOT_OF_A_MODEL = (
    *("days", "seed", "auth", "security", "compress_nulls", "referencing", "companion", "push", "scenario"),
    *("prepayment", "token_key"),
    *("customer", "broadcast", "p1"),
)
"""Options of the electricity meter; a model says these things itself."""


class Secrets(NamedTuple):
    """What a simulated device is built with, and what is said about it."""

    keys: Keys
    password: bytes
    secret: bytes
    title: bytes | None
    note: str

    def __repr__(self) -> str:
        return f"Secrets({self.note!r}, ...)"


def keys_of(options: dict[str, Any]) -> Secrets:
    """Return the keys of the key file, or those of every example."""
    from cosem.client.keyfile import KeyFile
    from cosem.simulator.meter import DEMO_KEYS, DEMO_PASSWORD, DEMO_SECRET

    if options["key_file"] is None:
        note = "example keys (examples/keys.toml, docs/cli.md); never use them for anything real"
        return Secrets(DEMO_KEYS, DEMO_PASSWORD, DEMO_SECRET, None, note)
    device = KeyFile.load(options["key_file"]).device(options["device"])
    return Secrets(
        device.keys,
        device.password or DEMO_PASSWORD,
        device.hls_secret or DEMO_SECRET,
        device.system_title,
        f"keys of {options['key_file']}",
    )


def customer_keys(options: dict[str, Any]) -> Keys | None:
    """Return the keys of the customer's section of the key file; None where no such section was asked for."""
    from cosem.client.keyfile import KeyFile

    section = options["customer"]
    if section is None:
        return None
    if options["key_file"] is None:
        raise ConfigError("--customer names a section of the key file: --keys says which file")
    keys = KeyFile.load(options["key_file"]).section(section).keys
    if keys.global_unicast_encryption_key is None or keys.authentication_key is None:
        raise ConfigError(f"{options['key_file']}, [{section}]: a customer port needs both keys, encryption and tag")
    return keys


def present(options: dict[str, Any]) -> datetime:
    """Return the device's present: as ``--at`` says, or now."""
    if options["at"] is None:
        return datetime.now(UTC).replace(microsecond=0)
    moment = parse_time(options["at"])
    if not 1970 < moment.year < 2100:
        raise ConfigError(f"--at {options['at']} is no present of a meter: it lies between 1971 and 2099")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def load_model(path: Path) -> DeviceModel:
    """Read a model file; TOML where it is called so, JSON otherwise. Raises `ConfigError` that names file and place."""
    from cosem.models import load_text

    try:
        return load_text(path.read_text(encoding="utf-8"), toml=path.suffix.lower() == ".toml")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: the model is no text in UTF-8") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def model_meter(context: click.Context, options: dict[str, Any]) -> tuple[ModelMeter, str]:
    """Return the meter of a model file, and what to say about its keys."""
    from dataclasses import replace
    from secrets import token_bytes

    from cosem.device.model import ModelMeter

    for name in _NOT_OF_A_MODEL:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise ConfigError(f"--{name.replace('_', '-')} belongs to the electricity meter, not to --model")
    model = load_model(options["model_file"])
    secrets = keys_of(options)
    if secrets.title is not None:
        model = replace(model, system_title=secrets.title)
    meter = ModelMeter(
        model,
        int(present(options).timestamp()),
        token_bytes,
        keys=secrets.keys,
        password=secrets.password,
        secret=secrets.secret,
    )
    return meter, secrets.note


def model_urls(meter: ModelMeter, host: str, port: int, hdlc_port: int, ports: dict[str, str]) -> dict[str, str]:
    """Return where each client of a model's meter finds it."""
    from cosem.client.url import AUTHENTICATION, SECURITY

    mechanisms = {number: name for name, number in AUTHENTICATION.items()}
    policies = {bits >> 4: name for name, bits in SECURITY.items()}
    urls = {}
    for device, association in meter.model.associations:
        policy = association.policy or (3 if association.ciphered else 0)
        parts = (
            ("client", str(association.client), "16"),
            ("server", str(device.sap), "1"),
            ("auth", mechanisms[association.mechanism], "none"),
            ("security", policies[policy], "none"),
            ("referencing", association.referencing, "ln"),
        )
        query = "&".join(f"{name}={value}" for name, value, usual in parts if value != usual)
        name = f"client {association.client}" + (f" of {device.sap}" if device.sap != 1 else "")
        urls[name] = f"tcp://{host}:{port}" + (f"?{query}" if query else "")
        urls[f"{name}, hdlc"] = f"hdlc+tcp://{host}:{hdlc_port}" + (f"?{query}" if query else "")
        for kind, url in ports.items():
            urls[f"{name}, {kind}"] = url + (f"?{query}" if query else "")
    return urls

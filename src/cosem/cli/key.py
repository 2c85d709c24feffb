"""``cosem key``: change keys, a password or a secret of a meter. None of them ever stands on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, note, print_json
from cosem.errors import ConfigError, KeyMissing

if TYPE_CHECKING:
    from cosem.client import DeviceKeys

NEW = "COSEM_NEW_"
"""What the names of variables with new keys begin with."""
_NAMES = (
    "global_unicast_encryption_key",
    "authentication_key",
    "global_broadcast_encryption_key",
    "master_key",
    "password",
    "hls_secret",
)
_MADE = ("global_unicast_encryption_key", "authentication_key")


@click.command("key")
@click.argument("url")
@click.option("--new", "section", metavar="SECTION", help="Section of the key file that holds what is new.")
@click.option("--make", is_flag=True, help="First make new keys and append them to the key file as that section.")
@click.option("--secret", is_flag=True, help="Change the password (auth=low) or the secret of high level security.")
@click.option("--counter", type=click.IntRange(0, 0xFFFFFFFE), help="First invocation counter under a new key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def key_command(
    url: str, section: str | None, make: bool, secret: bool, counter: int | None, as_json: bool, **options: Any
) -> int:
    """Change keys (wrapped under master_key), or the secret of this client.

    What is new comes from --new SECTION of the key file, or from COSEM_NEW_GLOBAL_UNICAST_ENCRYPTION_KEY and the like.
    It has to be written down before it is sent: the answer may get lost.
    """
    path = options["key_file"]
    if make:
        if secret:
            raise ConfigError("--make makes keys, no secrets")
        _make(path or os.environ.get("COSEM_KEYS"), section, url)
    new = _new(path, section)
    with connected(url, **options) as meter:
        if secret:
            value = new.password if meter.plan.url.mechanism == 1 else new.hls_secret
            if value is None:
                raise ConfigError(f"{new.name} holds no new password or hls_secret")
            meter.change_secret(value)
            changed: tuple[str, ...] = ("password" if meter.plan.url.mechanism == 1 else "hls_secret",)
        else:
            changed = meter.change_key(new.keys, counter=counter)
    if as_json:
        print_json({"changed": list(changed), "section": section})
        return DONE
    click.echo(f"changed: {', '.join(changed)}")
    if section is not None:
        note(f"from now on these of [{section}] are the meter's: let its own section say the same")
    return DONE


def _new(path: Path | None, section: str | None) -> DeviceKeys:
    """Return what is new: a section by itself, or the environment."""
    from cosem.client.keyfile import KeyFile

    if section is not None:
        return KeyFile.find(path).section(section)
    values = {name: os.environ[NEW + name.upper()] for name in _NAMES if NEW + name.upper() in os.environ}
    if not values:
        raise ConfigError(f"nothing is new: name a section of the key file by --new, or set {NEW}...")
    return KeyFile({"the environment": values}, "the environment").section("the environment")


def _make(path: Path | str | None, section: str | None, url: str) -> None:
    """Append a section with keys that nobody knows yet."""
    from cosem.client.keyfile import KeyFile
    from cosem.client.url import MeterUrl

    if path is None or section is None:
        raise ConfigError("--make appends to a key file: name it by --keys, and the section by --new")
    if not all(char.isalnum() or char in "-_" for char in section) or section == "default":
        raise ConfigError("a section is named by letters, digits, - and _")
    file = KeyFile.load(path)
    if section in file.names:
        raise ConfigError(f"{path} has a section [{section}] already: without --make it is sent again")
    if file.device(MeterUrl.parse(url).device).keys.master_key is None:
        raise KeyMissing("master_key is needed: keys travel wrapped under it")
    lines = ["", f"[{section}]", *(f'{name} = "{os.urandom(16).hex()}"' for name in _MADE), ""]
    with open(path, "a", encoding="utf-8") as opened:
        opened.write("\n".join(lines))
        opened.flush()
        os.fsync(opened.fileno())

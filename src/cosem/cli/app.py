"""The command group: which commands there are, loaded when used, and how errors end the program.

Exit status: 0 done; 1 the device or the data said no (with the reason); 2 wrong usage. Where the reader of the output
goes away (`| head`), click ends the program in silence.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from cosem import __version__
from cosem.cli.lazy_group import LazyGroup
from cosem.cli.output import print_json, report_error
from cosem.errors import ConfigError, CosemError

COMMANDS = {
    "decode": ("cosem.cli.decode", "explain octets, layer by layer"),
    "obis": ("cosem.cli.catalogue", "say what an OBIS code means"),
    "class": ("cosem.cli.classes", "show an interface class"),
    "objects": ("cosem.cli.meter", "list the objects of an association"),
    "get": ("cosem.cli.meter", "read attributes"),
    "set": ("cosem.cli.meter", "write an attribute"),
    "call": ("cosem.cli.meter", "invoke a method"),
    "profile": ("cosem.cli.profile", "read a load profile or a log"),
    "calendar": ("cosem.cli.calendar", "read or set the tariff calendar and special days"),
    "clock": ("cosem.cli.meter", "read or set the clock"),
    "disconnect": ("cosem.cli.supply", "disconnect the premises"),
    "reconnect": ("cosem.cli.supply", "reconnect the premises, or make ready for the button"),
    "limit": ("cosem.cli.supply", "read or set the limiter"),
    "credit": ("cosem.cli.payment", "show the credit of a payment meter, top it up, select emergency credit"),
    "token": ("cosem.cli.payment", "make a signed token for a payment meter"),
    "message": ("cosem.cli.message", "send a message to the customer, or show it"),
    "image": ("cosem.cli.image", "send firmware to a meter, or make a signed image"),
    "key": ("cosem.cli.key", "change keys, a password or a secret of a meter"),
    "probe": ("cosem.cli.probe", "find out how a silent or unknown meter wants to be spoken to"),
    "events": ("cosem.cli.events", "read the event logs, in words"),
    "alarms": ("cosem.cli.events", "show the alarms of a meter, or clear them"),
    "push": ("cosem.cli.events", "say where a meter pushes to, and what"),
    "listen": ("cosem.cli.listen", "receive and explain what meters push"),
    "gas": ("cosem.cli.gas", "compute with gas: compressibility, conversion, quality"),
    "headend": ("cosem.cli.headend", "the data collection system: devices, plans, values, commands, alarms"),
    "plc": ("cosem.cli.plc", "explain frames of a power line"),
    "utility": ("cosem.cli.utility", "the devices on a meter's M-Bus: list, install, capture, change keys"),
    "mbus": ("cosem.cli.mbus", "M-Bus meters: explain telegrams, hear them by radio, search, read and send on a wire"),
    "simulate": ("cosem.cli.simulate", "be a device that behaves"),
    "demo": ("cosem.cli.demo", "a neighbourhood and the head-end that reads it, on pages"),
    "tour": ("cosem.cli.tour", "a guided minute: a meter is made, read, and pushes are explained"),
}


@click.group(cls=LazyGroup, commands_in=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cosem")
def cosem() -> None:
    """DLMS/COSEM for people and scripts: read meters, be a meter, explain octets."""


def run(arguments: list[str] | None = None) -> Any:
    """Run the command line and end the process with its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        sys.exit(cosem.main(args=arguments, prog_name="cosem", standalone_mode=False) or 0)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        if "--json" in arguments:
            print_json({"error": {"what": error.format_message(), "kind": type(error).__name__}})
        else:
            error.show()
        sys.exit(error.exit_code)
    except CosemError as error:
        sys.exit(report_error(error, as_json="--json" in arguments))
    except OSError as error:
        if not error.filename:
            # Writing the answer failed: standard output cannot take an explanation either.
            sys.exit(report_error(CosemError(f"the answer cannot be written: {error.strerror}"), as_json=False))
        what = f"{error.filename}: {error.strerror}"
        sys.exit(report_error(ConfigError(what), as_json="--json" in arguments))
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)

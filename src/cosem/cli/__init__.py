"""One command, `cosem`: parse arguments, call the library, print."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line (entry point of the ``cosem`` script)."""
    try:
        from cosem.cli.app import run
    except KeyboardInterrupt:
        # Interrupted before there was anything to end in order.
        sys.exit(130)
    run()

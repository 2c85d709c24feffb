"""One command, `cosem`: parse arguments, call the library, print."""

from __future__ import annotations


def main() -> None:
    """Run the command line (entry point of the ``cosem`` script)."""
    from cosem.cli.app import run

    run()

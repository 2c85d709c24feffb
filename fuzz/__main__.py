"""Ask as an administrator and as a household; fail with what was found: `make fuzz`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

from cosem.headend.access import Role
from fuzz.served import Served, headend

CONFIG = Path(__file__).with_name("schemathesis.toml")
ROLES = (Role.ADMINISTRATOR, Role.HOUSEHOLD)


def ask(served: Served, role: Role, folder: Path, *options: str) -> int:
    """Let schemathesis ask as somebody of a role; return its exit status. What it keeps it keeps in `folder`."""
    program = Path(sys.executable).with_name("schemathesis")
    command = [str(program), "--config-file", str(CONFIG), "--no-color", "run", f"{served.url}/api/openapi.json"]
    header = f"Authorization: Bearer {served.tokens[role]}"
    return subprocess.run([*command, "--header", header, *options], check=False, cwd=folder).returncode


def main() -> None:
    """Run schemathesis for each role against one head-end."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--examples", type=int, default=50, help="test cases of each operation and phase")
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    options = ["--max-examples", str(arguments.examples), "--phases", arguments.phases]
    if arguments.seed is not None:
        options += ["--seed", str(arguments.seed)]
    wrong = []
    with tempfile.TemporaryDirectory() as folder, headend(Path(folder)) as served:
        for role in ROLES:
            print(f"--- as {role} ---", flush=True)
            if ask(served, role, Path(folder), *options):
                wrong.append(f"schemathesis as {role}")
            answer = requests.get(
                f"{served.url}/api/devices", headers={"Authorization": f"Bearer {served.tokens[role]}"}, timeout=10
            )
            if answer.status_code != 200:
                wrong.append(f"the token of {role} is worth nothing any more: the run above showed little")
        wrong += served.faults()
        if served.process.poll() is not None:
            wrong.append("the head-end ended")
    for item in wrong:
        print(f"wrong: {item}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

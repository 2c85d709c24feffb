"""The API asked by schemathesis by its own OpenAPI document, as administrator and as household: a short `make fuzz`.

Its environment is one of its own, which `make fuzz` builds.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / os.environ.get("FUZZ", ".venv-fuzz") / "bin" / "python"


@pytest.mark.skipif(not PYTHON.exists(), reason="schemathesis is not installed (`make fuzz` does it)")
def test_what_the_description_says_holds():
    command = [str(PYTHON), "-m", "fuzz", "--examples", "2", "--phases", "fuzzing,stateful", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert done.stdout.count(" passed") >= 2

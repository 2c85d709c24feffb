"""What an editor and mypy know of objects: attributes, methods and enumerations of both clients."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPRESSIONS = ROOT / "tests" / "data" / "typed_expressions.py"


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy")
def test_a_type_checker_knows_every_attribute_method_and_enumeration_of_both_clients(tmp_path):
    """Each line asserts a type, and each mistake in it is one that must be found: an unused ignore is an error too."""
    finished = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", "--follow-imports", "silent",
            "--config-file", os.devnull, "--cache-dir", str(ROOT / ".mypy_cache" / "expressions"), str(EXPRESSIONS),
        ],
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert finished.stdout.startswith("Success"), finished.stdout + finished.stderr
    assert EXPRESSIONS.read_text().count("assert_type(") > 40

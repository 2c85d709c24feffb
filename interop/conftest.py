"""Keeps what became of every test by peer, transport and security, and prints it as one matrix at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from interop.matrix import Matrix

MATRIX = pytest.StashKey[Matrix]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MATRIX] = Matrix()
    config.addinivalue_line("markers", "row(direction): the tests of one table of the matrix")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    marker = item.get_closest_marker("row")
    spec = getattr(item, "callspec", None)
    if marker is None or spec is None or (report.when != "call" and report.passed):
        return
    why = ""
    if report.skipped:
        # An expected failure comes as a skip that says why it was expected.
        why = getattr(report, "wasxfail", "") or str(call.excinfo.value if call.excinfo else "")
    elif report.failed and call.excinfo is not None:
        why = f"{type(call.excinfo.value).__name__}: {call.excinfo.value}".splitlines()[0]
    row = (spec.params["peer"], spec.params["transport"], str(spec.params["case"]))
    column = item.originalname.removeprefix("test_").replace("_", " ")
    known = hasattr(report, "wasxfail")
    item.config.stash[MATRIX].add(marker.args[0], row, column, report.outcome, known, why)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    terminalreporter.write_line("")
    for line in config.stash[MATRIX].lines():
        terminalreporter.write_line(line)

"""Invocation counters in a file: on the disk before they are used, never given out twice, never guessed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cosem.errors import ConfigError, CounterExhausted
from cosem.io.counterstore import FileCounterStore, default_path
from cosem.security.counters import END


def test_leases_follow_each_other_and_are_on_the_disk_when_they_return(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "counters.json"
    store = FileCounterStore(path)
    assert store.lease("key", 100) == (0, 100)
    assert json.loads(path.read_text())["sending"] == {"key": 100}
    assert FileCounterStore(path).lease("key", 100) == (100, 200)
    assert store.lease("other", 5) == (0, 5)
    assert store.lease("key", 10, at_least=1000) == (1000, 1010)
    assert store.lease("key", 10, at_least=3) == (1010, 1020)
    assert os.listdir(path.parent) in (["counters.json", "counters.json.lock"], ["counters.json.lock", "counters.json"])
    assert path.stat().st_mode & 0o077 == 0


def test_received_counters_are_kept_beside(tmp_path: Path) -> None:
    store = FileCounterStore(str(tmp_path / "c.json"))
    assert store.last_received("meter") is None
    store.commit_received("meter", 7)
    store.lease("key", 1)
    assert FileCounterStore(tmp_path / "c.json").last_received("meter") == 7


def test_the_end_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    store = FileCounterStore(tmp_path / "c.json")
    assert store.lease("key", 100, at_least=END - 10) == (END - 10, END)
    before = store.path.read_bytes()
    with pytest.raises(CounterExhausted):
        store.lease("key", 1)
    assert store.path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"sending": []}',
        b'{"sending": {"key": "7"}}',
        b'{"sending": {"key": -1}}',
        b'{"sending": {"key": 1.5}}',
        b'{"sending": {"key": true}}',
        b'{"sending": {"key": 4294967296}}',
        b'{"received": {"key": null}}',
    ],
)
def test_a_file_that_holds_no_counters_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content)
    store = FileCounterStore(path)
    for attempt in (
        lambda: store.lease("key", 1),
        lambda: store.last_received("key"),
        lambda: store.commit_received("key", 1),
    ):
        with pytest.raises(ConfigError, match="holds no invocation counters"):
            attempt()
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be kept"):
        FileCounterStore(tmp_path / "file" / "c.json").lease("key", 1)
    with pytest.raises(ConfigError, match="holds no invocation counters"):
        FileCounterStore(tmp_path).last_received("key")


def test_a_failure_while_writing_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileCounterStore(tmp_path / "c.json")
    store.lease("key", 100)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ConfigError, match="No space left"):
            store.lease("key", 100)
    assert sorted(os.listdir(tmp_path)) == ["c.json", "c.json.lock"]
    assert store.lease("key", 100) == (100, 200)


def test_two_names_of_one_file_are_one_file(tmp_path: Path) -> None:
    store = FileCounterStore(tmp_path / "c.json")
    store.lease("key", 10)
    (tmp_path / "link.json").symlink_to(tmp_path / "c.json")
    assert FileCounterStore(tmp_path / "link.json").lease("key", 10) == (10, 20)
    assert (tmp_path / "link.json").is_symlink()
    assert store.lease("key", 10) == (20, 30)


def test_the_default_place_is_the_users_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COSEM_COUNTERS", str(tmp_path / "named.json"))
    assert default_path() == tmp_path / "named.json"
    assert FileCounterStore().path == tmp_path / "named.json"
    monkeypatch.delenv("COSEM_COUNTERS")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_path() == tmp_path / "state" / "cosem" / "counters.json"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert default_path() == tmp_path / ".local" / "state" / "cosem" / "counters.json"


def test_processes_at_once_never_get_the_same_counter(tmp_path: Path) -> None:
    code = textwrap.dedent(
        """
        import sys
        from cosem.io.counterstore import FileCounterStore
        store = FileCounterStore(sys.argv[1])
        for _ in range(40):
            print(*store.lease("key", 3))
        """
    )
    command = [sys.executable, "-c", code, str(tmp_path / "c.json")]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    leases = [line.split() for worker in workers for line in worker.communicate(timeout=60)[0].splitlines()]
    counters = [counter for first, behind in leases for counter in range(int(first), int(behind))]
    assert sorted(counters) == list(range(3 * 40 * 3))


def test_a_kill_between_lease_and_use_costs_counters_but_repeats_none(tmp_path: Path) -> None:
    """A process is killed right after each lease, before it could say what it used."""
    code = textwrap.dedent(
        """
        import sys
        from cosem.io.counterstore import FileCounterStore
        store = FileCounterStore(sys.argv[1])
        while True:
            print(*store.lease("key", 100), flush=True)
        """
    )
    leases: list[tuple[int, int]] = []
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "c.json")],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(3)]
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.readlines()
        leases += [(int(a), int(b)) for a, b in (line.split() for line in lines if line.endswith("\n"))]
    first, _ = FileCounterStore(tmp_path / "c.json").lease("key", 100)
    assert first >= max(behind for _, behind in leases)
    firsts = [start for start, _ in leases]
    assert len(set(firsts)) == len(firsts)
    assert firsts == sorted(firsts)

"""Settings, the lock, files of devices, archives: what is wrong is refused, and nothing of it stays."""

from __future__ import annotations

import io
import json
import tarfile
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, select

from cosem.client.keyfile import KeyFile
from cosem.errors import ConfigError
from cosem.headend.archive import MANIFEST, backup, restore
from cosem.headend.commands import CommandState
from cosem.headend.database import open_database
from cosem.headend.exchange import Refused, documents, import_rows, read_rows, wrapped
from cosem.headend.folder import SETTINGS, Lock, load_settings, make_folder
from cosem.headend.intervals import Intervals, Series
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.schema import command, counter, metadata, segment
from cosem.headend.vault import KeyStore, Purpose, Vault
from cosem.security.keywrap import load_transport_key

NOW = 1_793_500_000
TRANSPORT = bytes(range(32))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("zone = 9000", "zone"),
        ("zone = true", "zone has the wrong type"),
        ("write_every = 0", "write_every"),
        ('client_title = "12"', "16 hex digits"),
        ('two_persons = ["explode"]', "explode"),
        ("colour = 1", "no setting"),
        ("= 1", "no TOML"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path, text, why):
    make_folder(tmp_path / "office")
    assert load_settings(tmp_path / "office").zone == -60
    (tmp_path / "office" / SETTINGS).write_text(text)
    with pytest.raises(ConfigError, match=why):
        load_settings(tmp_path / "office")


def test_one_process_works_in_a_folder(tmp_path):
    first, second = Lock(tmp_path), Lock(tmp_path)
    with first:
        assert not second.take()
        with pytest.raises(ConfigError, match="another process"):
            second.__enter__()
    assert second.take()
    second.release()


@pytest.fixture
def office(tmp_path):
    folder = tmp_path / "office"
    make_folder(folder)
    engine = open_database(folder / "headend.db")
    yield folder, engine, KeyStore(Vault.find(folder, create=True))
    engine.dispose()


def test_keys_of_a_shipment_arrive_and_a_key_file_stands_above_them(office):
    _, engine, keys = office
    shipped = {
        Purpose.UNICAST: wrapped(Purpose.UNICAST, b"u" * 16, TRANSPORT),
        Purpose.HLS_SECRET: wrapped(Purpose.HLS_SECRET, b"secret of 19 octets", TRANSPORT),
    }
    text = json.dumps([{"name": "a", "kind": "gas", "keys": shipped}, {"name": "b", "kind": "gas"}])
    key_file = KeyFile({"a": {"authentication_key": "41" * 16}, "b": {"password": "pass"}})
    rows = read_rows(text, transport_key=TRANSPORT, key_file=key_file)
    assert "u" * 16 not in repr(rows)
    with engine.begin() as connection:
        assert import_rows(connection, keys, rows, "anna", NOW) == 2
        found = keys.secrets(connection, [1, 2])
    assert found[1] == {
        Purpose.UNICAST: b"u" * 16,
        Purpose.HLS_SECRET: b"secret of 19 octets",
        Purpose.AUTHENTICATION: b"A" * 16,
    }
    assert found[2] == {Purpose.PASSWORD: b"pass"}


@pytest.mark.parametrize("text", ["", "00", "zz" * 16, "00" * 17])
def test_a_transport_key_of_another_length_is_none(text):
    with pytest.raises(ConfigError, match="no transport key"):
        load_transport_key(text, "the file")


@settings(max_examples=60)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda octets: octets.decode("latin-1")))
def test_any_text_is_rows_or_is_refused(text):
    try:
        rows = read_rows(text)
    except ConfigError:
        return
    assert all(row.device.name for row in rows)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from(("name", "kind", "channel", "tags", "keys", "state", "url", "details", "parent", "place"))


@settings(max_examples=40)
@given(st.lists(st.dictionaries(fields, json_values | st.sampled_from(("gas", "in use")), max_size=6), max_size=3))
def test_any_json_is_taken_or_refused(content):
    whole = [{"name": f"device {number}", "kind": "gas", **item} for number, item in enumerate(content)]
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    try:
        rows = read_rows(json.dumps({"devices": whole}))
        with engine.begin() as connection:
            import_rows(connection, KeyStore(Vault(bytes(32))), rows, "anna", NOW)
            assert len(list(documents(connection))) == len(whole)
    except Refused as refused:
        lines = {line for line, _ in refused.problems}
    else:
        lines = set()
    engine.dispose()
    assert lines <= set(range(1, len(whole) + 1))


def test_devices_that_hang_behind_each_other_in_a_ring_are_refused(office):
    _, engine, keys = office
    rows = read_rows("name,kind,parent\na,gas,b\nb,gas,a\nc,gas,\n")
    with pytest.raises(Refused) as refused, engine.begin() as connection:
        import_rows(connection, keys, rows, "anna", NOW)
    assert [line for line, _ in refused.value.problems] == [2, 3]
    with engine.connect() as connection:
        assert list(documents(connection)) == []


# --- archives ---------------------------------------------------------------------------------------------


def filled(office) -> None:
    folder, engine, _ = office
    intervals = Intervals(folder / "intervals")
    with engine.begin() as connection:
        inventory = Inventory(connection)
        inventory.add(NewDevice("a", Kind.GAS), NOW)
        intervals.stage(connection, [Series.of(1, 1, [NOW, NOW + 3600], [1, 2])])
        intervals.write(connection)
        connection.execute(insert(counter), {"name": "device 1", "next": 500})
        for state in (CommandState.WAITING, CommandState.SENDING, CommandState.DONE, CommandState.UNCONFIRMED):
            row = {"id": f"{state}.0", "bundle": state, "position": 0, "device": 1, "kind": "clock", "parameters": "{}"}
            told = {"state": state, "requested_by": "anna", "requested": NOW, "not_after": NOW + 86_400}
            connection.execute(insert(command), {**row, **told})


def test_what_is_restored_goes_on_without_doing_anything_twice(office, tmp_path):
    filled(office)
    backup(office[0], tmp_path / "b.tar", NOW)
    restore(tmp_path / "b.tar", tmp_path / "new", NOW + 3600, "anna")
    engine = open_database(tmp_path / "new" / "headend.db")
    with engine.connect() as connection:
        assert connection.execute(select(counter.c.next)).scalar_one() == 500 + 1_000_000 + 7200
        states = {row.bundle: row.state for row in connection.execute(select(command))}
        assert states == {"waiting": "cancelled", "unconfirmed": "cancelled", "sending": "uncertain", "done": "done"}
        assert connection.execute(select(segment.c.epoch)).scalar_one() == 1
        series = Intervals(tmp_path / "new" / "intervals").read(connection, 1, 1, NOW, NOW + 7200)
        assert series.values.tolist() == [1, 2]
    engine.dispose()


def test_counters_that_would_be_used_up_are_not_restored(office, tmp_path):
    _, engine, _ = office
    filled(office)
    with engine.begin() as connection:
        connection.execute(counter.update().values(next=0xFFFF_0000))
    backup(office[0], tmp_path / "b.tar", NOW)
    with pytest.raises(ConfigError, match="used up"):
        restore(tmp_path / "b.tar", tmp_path / "new", NOW, "anna")
    assert not (tmp_path / "new").exists()


def rewritten(source, target, change) -> None:
    """Write an archive anew; `change` gets and gives name, octets and kind of each member."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for entry in old:
            stream = old.extractfile(entry)
            for name, octets, kind in change(entry.name, stream.read()):
                made = tarfile.TarInfo(name)
                made.size, made.type = len(octets), kind
                if kind == tarfile.SYMTYPE:
                    made.size, made.linkname = 0, "/etc/passwd"
                new.addfile(made, io.BytesIO(octets))


def same(name, octets):
    return [(name, octets, tarfile.REGTYPE)]


def also_listed(more):
    def change(name, octets):
        if name == MANIFEST:
            content = json.loads(octets)
            content["files"][more] = content["files"]["headend.db"]
            return same(name, json.dumps(content).encode())
        return same(name, octets) + (same(more, octets) if name == "headend.db" else [])

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda name, octets: same("../" + name if name == "headend.db" else name, octets),
        lambda name, octets: same(name, octets) + (same("evil", b"x") if name == "headend.db" else []),
        lambda name, octets: [(name, octets, tarfile.SYMTYPE if name == "headend.toml" else tarfile.REGTYPE)],
        lambda name, octets: same(name, octets[:-1] + b"?" if name == "headend.db" else octets),
        lambda name, octets: [] if name.endswith(".parquet") else same(name, octets),
        lambda name, octets: [] if name == MANIFEST else same(name, octets),
        lambda name, octets: same(name, b"{" if name == MANIFEST else octets),
        also_listed("../../evil"),
        also_listed("/tmp/evil"),
        also_listed("intervals/day=2026-11-01/../../../evil.parquet"),
    ],
)
def test_an_archive_that_was_changed_is_refused_and_leaves_nothing(office, tmp_path, change):
    filled(office)
    backup(office[0], tmp_path / "b.tar", time.time())
    rewritten(tmp_path / "b.tar", tmp_path / "changed.tar", same)
    restore(tmp_path / "changed.tar", tmp_path / "ok", time.time(), "anna")
    rewritten(tmp_path / "b.tar", tmp_path / "changed.tar", change)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ConfigError):
        restore(tmp_path / "changed.tar", tmp_path / "new", time.time(), "anna")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    (tmp_path / "cut.tar").write_bytes((tmp_path / "b.tar").read_bytes()[:1000])
    with pytest.raises(ConfigError, match="no backup"):
        restore(tmp_path / "cut.tar", tmp_path / "new", time.time(), "anna")

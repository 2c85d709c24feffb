"""``cosem headend``: from an empty folder to values, over real sockets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from cosem.cli.app import run
from cosem.headend.exchange import wrapped
from cosem.headend.vault import Purpose
from cosem.simulator.meter import DEMO_KEYS, simulated_meter
from cosem.simulator.utilities import DEMO_MBUS_KEY
from support.served import Served, key_file, make_meter, served

Cosem = Callable[..., tuple[int, str, str]]
TRANSPORT = bytes(range(16, 32))
CHANNEL = "1-0:1.8.0.255"


@pytest.fixture
def cosem(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cosem:
    monkeypatch.setenv("COSEM_HEADEND", str(tmp_path / "office"))
    for name in ("COSEM_HEADEND_KEY", "COSEM_HEADEND_TOKEN", "COSEM_KEYS", "COSEM_TRANSPORT_KEY"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            run(["headend", *arguments])
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


@pytest.fixture
def meter() -> Iterator[Served]:
    """A meter with a day behind it, up to now: the head-end's clock is the real one."""
    end = datetime.now(UTC).replace(microsecond=0)
    with served(make_meter(end=end, days=1)) as running:
        yield running


def said(answer: tuple[int, str, str]) -> str:
    status, out, err = answer
    assert status == 0, out + err
    return out


def shipment(tmp_path: Path, rows: list[dict[str, object]]) -> tuple[str, str]:
    """Write a shipment file whose keys are wrapped, and its transport key; return their names."""
    keys = {
        Purpose.UNICAST: DEMO_KEYS.global_unicast_encryption_key,
        Purpose.AUTHENTICATION: DEMO_KEYS.authentication_key,
    }
    wrapped_keys = {purpose: wrapped(purpose, key or b"", TRANSPORT) for purpose, key in keys.items()}
    file = tmp_path / "shipment.json"
    file.write_text(json.dumps({"devices": [{**row, "keys": wrapped_keys} for row in rows]}))
    transport = tmp_path / "transport.key"
    transport.write_text(TRANSPORT.hex() + "\n")
    return str(file), str(transport)


def set_up(tmp_path: Path, old: str, new: str) -> None:
    """Change a setting."""
    path = tmp_path / "office" / "headend.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def night(cosem: Cosem, tmp_path: Path, meter: Served, *more: dict[str, object]) -> None:
    """Make a head-end with one meter that can be read, others that cannot, and a plan."""
    said(cosem("init"))
    set_up(tmp_path, "first_pause = 5 ", "first_pause = 0.02 ")
    said(cosem("devices", "segment", "street", "--concurrent", "5"))
    said(cosem("devices", "type", "e570"))
    row = {"kind": "electricity", "type": "e570", "segment": "street", "state": "in use"}
    file, transport = shipment(tmp_path, [{"name": "good", "url": meter.url(), **row}, *({**row, **m} for m in more)])
    said(cosem("devices", "import", file, "--transport-key", transport))
    said(cosem("devices", "learn", "good", "--profile", "1-0:99.1.0"))
    said(cosem("plans", "add", "night", "--schedule", "15 0 * * *", "--depth", "1", "--events", "standard"))


def test_from_an_empty_folder_to_values_that_duckdb_reads(cosem: Cosem, tmp_path: Path, meter: Served) -> None:
    absent = meter.url().replace(str(meter.wrapper[1]), "9") + "&timeout=0.3"
    night(cosem, tmp_path, meter, {"name": "absent", "url": absent})
    status, out, _ = cosem("run", "night", "--json")
    report = json.loads(out)
    assert status == 1
    assert report["account"] == {"read": 1, "unreachable": 1}
    assert report["devices"] == 2
    assert [(item["device"], item["reason"]) for item in report["failed"]] == [("absent", "unreachable")]
    start = (datetime.now(UTC) - timedelta(days=2)).isoformat()

    text = said(cosem("export", "--channel", CHANNEL, "--from", start))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert 95 <= len(rows) <= 96
    assert {(row["device"], row["channel"], row["unit"]) for row in rows} == {("good", CHANNEL, "Wh")}
    expected = {
        at.timestamp(): value
        for at, value in zip(
            [datetime.fromisoformat(row["time"]) for row in rows], [int(row["value"]) for row in rows], strict=True
        )
    }
    with meter.connect() as client:
        table = client.profile("1-0:99.1.0").read()
    shown = {
        moment.to_datetime().timestamp(): row[2]
        for moment, row in zip(table.times(), table.rows, strict=True)
        if moment is not None
    }
    assert all(shown[at] == value for at, value in expected.items())

    lines = [
        json.loads(line) for line in said(cosem("export", "--jsonl", "--device", "good", "--from", start)).splitlines()
    ]
    assert len({line["channel"] for line in lines}) == 6
    parquet = tmp_path / "values.parquet"
    said(cosem("export", "--parquet", "--output", str(parquet), "--from", start))
    with duckdb.connect() as database:
        query = "SELECT count(*), sum(value), min(time) FROM read_parquet(?) WHERE channel = ? AND device = 'good'"
        found = database.execute(query, (str(parquet), CHANNEL)).fetchone()
    assert found is not None
    assert found[:2] == (len(rows), sum(int(row["value"]) for row in rows))
    totals = json.loads(said(cosem("totals", "--channel", CHANNEL, "--from", start, "--json")))
    values = [int(row["value"]) for row in rows]
    assert sum(int(item["growth"]) for item in totals) == values[-1] - values[0]


def test_a_second_run_reads_what_is_new_and_a_whole_one_ends_with_0(
    cosem: Cosem, tmp_path: Path, meter: Served
) -> None:
    night(cosem, tmp_path, meter)
    assert "1 of 1 device: 1 read" in cosem("run", "night")[2]
    status, out, _ = cosem("run", "night", "--json")
    assert (status, json.loads(out)["values"]) == (0, 0)


def test_what_is_wrong_in_a_file_is_named_by_its_line_and_nothing_of_it_stays(cosem: Cosem, tmp_path: Path) -> None:
    said(cosem("init"))
    file = tmp_path / "devices.csv"
    file.write_text(
        "name,kind,parent,channel,segment\nm 1,gas,hub,1,\nhub,gateway,,,\nm 2,steam,,,\nm 3,gas,hub,300,\nm 1,gas,,,\n"
    )
    status, out, err = cosem("devices", "import", str(file))
    assert status == 2
    assert [f"line {line}:" in err for line in range(2, 7)] == [False, False, True, True, True]
    file.write_text(
        "name,kind,parent,channel,segment\nm 1,gas,hub,1,\nm 2,gas,hub,1,\nhub,gateway,,,\nm 3,gas,,,moon\n"
    )
    status, out, _ = cosem("devices", "import", str(file), "--json")
    answer = json.loads(out)
    assert (status, [row["line"] for row in answer["rows"]]) == (2, [3, 5])
    assert json.loads(said(cosem("devices", "list", "--json"))) == []
    file.write_text("name,kind,parent,channel\nm 1,gas,hub,1\nm 2,gas,hub,2\nhub,gateway,,\n")
    assert said(cosem("devices", "import", str(file))) == "3 devices\n"
    assert "line 2" in cosem("devices", "import", str(file))[2]


@pytest.mark.parametrize("form", ["--csv", None])
def test_what_is_exported_can_be_imported(cosem: Cosem, tmp_path: Path, form: str | None) -> None:
    said(cosem("init"))
    said(cosem("devices", "add", "hub", "--kind", "gateway", "--place", 'cellar, "left"', "--tag", "old", "--tag", "x"))
    said(cosem("devices", "add", "gas 1", "--kind", "gas", "--parent", "hub", "--channel", "2", "--in-use"))
    text = said(cosem("devices", "export", *([form] if form else [])))
    file = tmp_path / "out"
    file.write_text(text)
    said(cosem("init", "--folder", str(tmp_path / "other")))
    said(cosem("devices", "import", str(file), "--folder", str(tmp_path / "other")))
    lists = [
        json.loads(said(cosem("devices", "list", "--json", "--folder", str(tmp_path / f)))) for f in ("office", "other")
    ]
    assert sorted(lists[0], key=str) == sorted(lists[1], key=str)
    assert lists[0][0]["tags"] == ["old", "x"]


@pytest.mark.parametrize("wrong", ["00" * 24, "zz", "", 5])
def test_keys_that_do_not_open_are_refused_and_not_shown(cosem: Cosem, tmp_path: Path, wrong: object) -> None:
    said(cosem("init"))
    file, transport = shipment(tmp_path, [{"name": "good", "kind": "gas"}])
    content = json.loads(Path(file).read_text())
    content["devices"].append({"name": "bad", "kind": "gas", "keys": {"master_key": wrong or "00"}})
    Path(file).write_text(json.dumps(content))
    assert "line 1: global_unicast_encryption_key is wrapped" in cosem("devices", "import", file)[2]
    status, _, err = cosem("devices", "import", file, "--transport-key", transport)
    assert status == 2
    assert "line 2: master_key does not open" in err
    assert str(wrong or "00") not in err.replace("line", "") or wrong in ("", 5)


def test_a_command_is_confirmed_by_a_second_person_and_read_back(
    cosem: Cosem, tmp_path: Path, meter: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(cosem, tmp_path, meter)
    set_up(tmp_path, "two_persons = []", 'two_persons = ["disconnect"]')
    answer = json.loads(said(cosem("commands", "send", "good", "message", "text=hello", "--json")))
    assert [item["state"] for item in answer["commands"]] == ["done"]
    answer = json.loads(said(cosem("commands", "send", "good", "disconnect", "--json", "--id", "cut")))
    assert [item["state"] for item in answer["commands"]] == ["unconfirmed"]
    assert "token" in cosem("commands", "confirm", "cut")[2]
    token = said(cosem("token", "issue", "berta", "--role", "second person")).strip()
    operator = said(cosem("token", "issue", "anna", "--role", "operator")).strip()
    monkeypatch.setenv("COSEM_HEADEND_TOKEN", operator)
    assert "may not confirm" in cosem("commands", "confirm", "cut")[2]
    monkeypatch.setenv("COSEM_HEADEND_TOKEN", token)
    answer = json.loads(said(cosem("commands", "confirm", "cut", "--json")))
    assert [(item["state"], item["confirmed_by"]) for item in answer["commands"]] == [("done", "berta")]
    assert "may not" in cosem("devices", "add", "x")[2]
    monkeypatch.delenv("COSEM_HEADEND_TOKEN")
    rows = json.loads(said(cosem("commands", "show", "--device", "good", "--json")))
    assert {row["kind"] for row in rows} == {"message", "disconnect"}


def test_a_backup_restores_values_and_devices_and_no_counter_comes_twice(
    cosem: Cosem, tmp_path: Path, meter: Served
) -> None:
    night(cosem, tmp_path, meter)
    said(cosem("run", "night"))
    start = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    before = said(cosem("export", "--from", start))
    file = tmp_path / "backup.tar"
    said(cosem("backup", str(file), "--with-key"))
    assert "is there already" in cosem("backup", str(file))[2]
    assert "not empty" in cosem("restore", str(file))[2]
    other = str(tmp_path / "restored")
    said(cosem("restore", str(file), "--folder", other))
    assert said(cosem("export", "--from", start, "--folder", other)) == before
    assert cosem("run", "night", "--folder", other)[0] == 0
    from cosem.headend.database import open_database
    from cosem.headend.schema import counter

    following = []
    for folder in (tmp_path / "office", tmp_path / "restored"):
        engine = open_database(folder / "headend.db")
        with engine.connect() as connection:
            following.append(connection.execute(counter.select()).one().next)
        engine.dispose()
    assert following[1] > following[0] + 1_000_000


def test_without_the_key_a_backup_opens_no_device(cosem: Cosem, tmp_path: Path, meter: Served) -> None:
    night(cosem, tmp_path, meter)
    file = tmp_path / "backup.tar"
    said(cosem("backup", str(file)))
    assert (tmp_path / "office" / "headend.key").read_bytes().strip() not in file.read_bytes()
    other = str(tmp_path / "restored")
    assert "put the head-end's key" in cosem("restore", str(file), "--folder", other)[2]
    assert "headend's key" in cosem("run", "night", "--folder", other)[2].replace("-", "")


def test_fraud_is_an_alarm_after_a_run_and_somebody_acknowledges_it(
    cosem: Cosem, tmp_path: Path, meter: Served
) -> None:
    night(cosem, tmp_path, meter)
    said(cosem("plans", "add", "night", "--schedule", "15 0 * * *", "--depth", "1", "--events", "fraud"))
    said(cosem("run", "night"))
    assert json.loads(said(cosem("alarms", "list", "--json"))) == []
    meter.meter.equipment.tampering.meter_cover(True)
    said(cosem("run", "night"))
    listed = json.loads(said(cosem("alarms", "list", "--fraud", "--json")))
    assert [item["device"] for item in listed] == ["good"]
    happened = json.loads(said(cosem("events", "good", "--json")))
    assert [(item["group"], item["source"], item["words"]) for item in happened] == [
        ("fraud", "log", listed[0]["kind"])
    ]
    assert said(cosem("alarms", "ack", str(listed[0]["id"]))) == "1 acknowledged\n"
    assert json.loads(said(cosem("alarms", "list", "--json"))) == []


def test_the_folder_is_made_once_and_its_key_is_nobodys_else(cosem: Cosem, tmp_path: Path) -> None:
    token = json.loads(said(cosem("init", "--json")))["token"]
    assert cosem("init")[0] == 2
    folder = tmp_path / "office"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "headend.key").stat().st_mode & 0o077 == 0
    assert token.encode() not in (folder / "headend.db").read_bytes()
    rows = json.loads(said(cosem("token", "list", "--json")))
    assert [(row["name"], row["role"]) for row in rows] == [("administrator", "administrator")]
    said(cosem("token", "revoke", "administrator"))
    assert cosem("token", "revoke", "administrator")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("devices", "list", "--folder", "/nowhere/at/all"), "cosem headend init"),
        (("run", "never"), "no plan 'never'"),
        (("plans", "add", "p", "--schedule", "often"), "no cron line"),
        (("plans", "activate", "never"), "no plan"),
        (("devices", "add", "a", "--url", "tcp://"), ""),
        (("devices", "add", "a", "--segment", "moon"), "no segment 'moon'"),
        (("devices", "learn", "never"), "no device"),
        (("commands", "send", "a", "explode"), "no kind of command"),
        (("commands", "show", "none"), "no bundle"),
        (("export", "--from", "2026-01-02", "--to", "2026-01-01"), "before"),
        (("export", "--from", "2026-01-01", "--parquet"), "--output"),
        (("export", "--from", "2026-01-01", "--channel", "9.9"), "no channel"),
        (("alarms", "ack"), "name alarms"),
        (("alarms", "ack", "7"), "none of these alarms"),
        (("restore", __file__, "--folder", "new"), "no backup"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(cosem: Cosem, tmp_path: Path, monkeypatch, arguments, why) -> None:
    monkeypatch.chdir(tmp_path)
    said(cosem("init"))
    status, _, err = cosem(*arguments)
    assert status == 2
    assert why in err
    assert err.count("\n") <= 4
    assert not (tmp_path / "new").exists()


def test_two_ask_at_once_and_one_carries_out(cosem: Cosem, tmp_path: Path, meter: Served) -> None:
    """While another process holds the lock, what is asked for is written down and left to it."""
    from cosem.headend.folder import Lock

    night(cosem, tmp_path, meter)
    with Lock(tmp_path / "office"):
        answer = json.loads(said(cosem("commands", "send", "good", "clock", "--id", "c1", "--no-wait", "--json")))
        assert [item["state"] for item in answer["commands"]] == ["waiting"]
        again = json.loads(said(cosem("commands", "send", "good", "clock", "--id", "c1", "--no-wait", "--json")))
        assert again == answer
        assert "with other commands" in cosem("commands", "send", "good", "disconnect", "--id", "c1", "--no-wait")[2]
        assert "no space" in cosem("commands", "send", "good", "clock", "--id", "c 1")[2]
        assert "another process works" in cosem("serve")[2]
    # Whoever works next does it.
    said(cosem("run", "night"))
    rows = json.loads(said(cosem("commands", "send", "good", "clock", "--id", "c1", "--json")))["commands"]
    assert [row["state"] for row in rows] == ["done"]


@pytest.fixture
def house() -> Iterator[Served]:
    """A meter with a gas meter on its M-Bus, up to now."""
    end = datetime.now(UTC).replace(microsecond=0)
    with served(simulated_meter(seed=1, end=end, days=0.2, utilities=("gas",))) as running:
        yield running


def test_a_gas_meter_is_added_coupled_read_and_read_by_a_plan(cosem: Cosem, tmp_path: Path, house: Served) -> None:
    said(cosem("init"))
    keys = str(key_file(tmp_path))
    said(cosem("devices", "add", "meter", "--url", "tcp://127.0.0.1:9", "--keys", keys, "--in-use"))
    assert cosem("devices", "relocate", "meter", "no url")[0] == 2
    said(cosem("devices", "relocate", "meter", house.url()))
    said(cosem("devices", "add", "gas", "--kind", "gas", "--meter", "ELS12345678", "--in-use"))
    said(cosem("devices", "couple", "gas", "meter", "1"))
    status, out, err = cosem("read", "meter", "--json")
    shown = json.loads(out)
    assert (status, shown["state"], err) == (1, "done", "")
    assert shown["behind"][0]["problem"] == "channel 1 has ZZZ00010001, not ELS12345678: nothing of it was taken"
    assert {item["name"]: item["unit"] for item in shown["figures"]}["1-0:1.7.0.255"] == "W"
    assert shown["supply"]["control_state"] == 1
    said(cosem("devices", "identify", "gas", "ZZZ00010001"))
    assert "gas 0-0:24.2.1.255" in said(cosem("read", "gas"))
    said(cosem("plans", "add", "gas night", "--schedule", "0 5 * * *", "--kind", "gas"))
    assert json.loads(said(cosem("run", "gas night", "--json")))["account"] == {"read": 1}
    status, _, err = cosem("devices", "learn", "gas", "--type", "g")
    assert status == 2
    assert "read through meter" in err
    said(cosem("devices", "decouple", "gas"))
    (gone,) = json.loads(said(cosem("devices", "list", "--kind", "gas", "--json")))
    assert "parent" not in gone
    assert gone["meter"] == "ZZZ00010001"


def test_a_gas_meter_gets_its_key_through_its_parent(cosem: Cosem, tmp_path: Path, house: Served) -> None:
    said(cosem("init"))
    keys = key_file(tmp_path)
    default = DEMO_MBUS_KEY.hex()
    keys.write_text(keys.read_text() + f'\n[gas]\nmbus_id = "00010001"\nmbus_default_key = "{default}"\n')
    said(cosem("devices", "add", "meter", "--url", house.url(), "--keys", str(keys), "--in-use"))
    place = ("--kind", "gas", "--parent", "meter", "--channel", "1", "--in-use")
    said(cosem("devices", "add", "gas", *place, "--keys", str(keys)))
    changed = json.loads(said(cosem("keys", "change", "gas", "--purpose", "mbus", "--json")))
    assert (changed["state"], changed["purposes"]) == ("done", ["mbus_key"])
    assert "done" in said(cosem("keys", "list", "--device", "gas"))
    said(cosem("commands", "send", "gas", "close valve"))
    assert house.meter.equipment.mbus.channels[1].valve.position == "closed"
    assert house.meter.equipment.mbus.channels[1].client.key_status == 4
    assert json.loads(said(cosem("keys", "share", "gas", "--json"))) == {"device": "gas", "opens": True}
    assert "gas 0-0:24.2.1.255" in said(cosem("read", "gas"))
    status, _, err = cosem("keys", "change", "meter", "--purpose", "mbus")
    assert status == 2
    assert "hangs on no M-Bus" in err


def test_what_a_broker_would_be_told_is_shown_without_one(cosem: Cosem, tmp_path: Path, meter: Served) -> None:
    night(cosem, tmp_path, meter)
    status, _, err = cosem("mqtt")
    assert status == 2
    assert "there is no table [mqtt]" in err
    set_up(tmp_path, '# [mqtt]\n# host = "localhost"\n', '[mqtt]\nhost = "broker.example"\nuser = "head"\n')
    said(cosem("run", "night"))
    status, out, err = cosem("mqtt")
    assert status == 0
    assert "the password would go to broker.example over an open wire" in err
    assert "1 device, 5 messages for broker.example:1883" in err
    line = next(line for line in out.splitlines() if line.startswith("\tActive energy import\t"))
    assert line.split("\t")[2:5] == ["energy", "total_increasing", "kWh"]
    told = {item["topic"]: item["payload"] for item in json.loads(said(cosem("mqtt", "--json")))}
    config = told["homeassistant/device/cosem_1/config"]
    state = told[config["state_topic"]]
    assert isinstance(state["1-0:1.8.0"], float)
    assert (state["outcome"], told["cosem/device/good/availability"]) == ("read", "online")
    one = said(cosem("mqtt", "--device", "good")).splitlines()
    assert [text.partition(" ")[0] for text in one] == [
        "homeassistant/device/cosem_1/config", "cosem/device/good/availability", "cosem/device/good/state",
    ]  # fmt: skip
    status, _, err = cosem("mqtt", "--device", "nobody")
    assert (status, "of 'nobody' nobody is told" in err) == (2, True)
    set_up(tmp_path, 'user = "head"', "port = 0")
    assert "mqtt: port is 1 to 65535" in cosem("mqtt")[2]


def test_serving_wants_the_brokers_password_before_anything_begins(cosem: Cosem, tmp_path: Path) -> None:
    said(cosem("init"))
    set_up(tmp_path, '# [mqtt]\n# host = "localhost"\n', '[mqtt]\nhost = "localhost"\nuser = "head"\n')
    status, _, err = cosem("serve", "--port", "0", "--no-push")
    assert status == 2
    assert "the user has a password, in COSEM_MQTT_PASSWORD" in err

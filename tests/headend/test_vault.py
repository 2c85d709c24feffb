"""Keys at rest are sealed, belong to one device and purpose, and change in two phases."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from cosem.errors import ConfigError, SecurityError
from cosem.headend.database import open_database
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.schema import device_key
from cosem.headend.vault import ENVIRONMENT, FILE, KeyState, KeyStore, Purpose, Vault

OLD, NEW = bytes(range(16)), bytes(range(16, 32))


@pytest.fixture
def connection(tmp_path):
    engine = open_database(tmp_path / "headend.db")
    with engine.begin() as connection:
        for number in (1, 2):
            assert Inventory(connection).add(NewDevice(f"meter {number}", Kind.ELECTRICITY), 0) == number
        yield connection
    engine.dispose()


@pytest.fixture
def keys():
    return KeyStore(Vault(bytes(32)))


def test_a_secret_comes_back_and_is_nowhere_in_the_database(connection, keys):
    keys.put(connection, 1, {Purpose.UNICAST: OLD, Purpose.PASSWORD: b"12345678"}, 10)
    assert keys.secrets(connection, [1, 2]) == {1: {Purpose.UNICAST: OLD, Purpose.PASSWORD: b"12345678"}, 2: {}}
    for (sealed,) in connection.execute(select(device_key.c.sealed)):
        assert OLD not in sealed
        assert b"12345678" not in sealed


def test_a_sealed_key_put_to_another_device_or_purpose_does_not_open(connection, keys):
    keys.put(connection, 1, {Purpose.UNICAST: OLD}, 10)
    connection.execute(update(device_key).values(device=2))
    with pytest.raises(SecurityError, match="does not open"):
        keys.secrets(connection, [2])
    connection.execute(update(device_key).values(device=1, purpose=Purpose.MASTER))
    with pytest.raises(SecurityError, match="does not open"):
        keys.secrets(connection, [1])


def test_a_head_end_with_another_key_says_so_and_shows_none(connection, keys):
    keys.put(connection, 1, {Purpose.UNICAST: OLD}, 10)
    other = KeyStore(Vault(bytes(31) + b"\x01"))
    with pytest.raises(SecurityError) as caught:
        other.secrets(connection, [1])
    assert OLD.hex() not in str(caught.value)
    assert repr(Vault(bytes(32))) == "<Vault>"


@pytest.mark.parametrize("proved", [True, False])
def test_new_keys_stand_beside_the_old_until_the_device_tells_which_it_has(connection, keys, proved):
    keys.put(connection, 1, {Purpose.UNICAST: OLD, Purpose.MASTER: OLD}, 10)
    keys.put(connection, 1, {Purpose.UNICAST: NEW}, 20, KeyState.NEW)
    assert keys.secrets(connection, [1])[1][Purpose.UNICAST] == OLD
    assert keys.secrets(connection, [1], KeyState.NEW)[1] == {Purpose.UNICAST: NEW}
    (keys.promote if proved else keys.withdraw)(connection, 1, 30)
    assert keys.secrets(connection, [1])[1] == {Purpose.UNICAST: NEW if proved else OLD, Purpose.MASTER: OLD}
    assert keys.held(connection, 1, KeyState.NEW) == ()
    assert keys.held(connection, 1, KeyState.EXPIRED) == (Purpose.UNICAST,)


def test_the_key_is_taken_from_the_environment_or_a_file_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(ConfigError, match=FILE):
        Vault.find(tmp_path)
    sealed = Vault.find(tmp_path, create=True).seal(b"secret", "x")
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    assert Vault.find(tmp_path).unseal(sealed, "x") == b"secret"
    monkeypatch.setenv(ENVIRONMENT, "00" * 32)
    with pytest.raises(SecurityError):
        Vault.find(tmp_path).unseal(sealed, "x")
    for wrong in ("zz", "00" * 31):
        monkeypatch.setenv(ENVIRONMENT, wrong)
        with pytest.raises(ConfigError) as caught:
            Vault.find(tmp_path)
        assert wrong not in str(caught.value)

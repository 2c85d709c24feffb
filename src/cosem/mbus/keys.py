"""The keys of M-Bus meters, what was seen of their counters, and what was refused and why.

A key belongs to a meter (manufacturer, identification, version, medium) and a key id. A meter that has a key is not
believed in clear, and a counter that went on never goes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from hmac import compare_digest
from typing import TypeAlias

from cosem.errors import (
    ConfigError,
    CosemError,
    DecodeError,
    InvocationCounterError,
    KeyMissing,
    PolicyViolation,
    TagMismatch,
    WeakProtection,
)
from cosem.mbus.wireless import Address

KeysOf: TypeAlias = Callable[[Address], bytes | None]
"""Return the key of a meter, None where it has none."""

KEY_LENGTH = 16
ACCESS_NUMBERS = 0x100


class Reason(StrEnum):
    """Why a telegram was refused, as `KeyStore.failures` counts it."""

    MALFORMED = "malformed"
    NO_KEY = "no key"
    WRONG_KEY = "wrong key or altered"
    REPLAY = "replay"
    CLEAR = "clear from a meter that has a key"
    UNSUPPORTED = "unsupported protection"


def reason_of(error: CosemError) -> Reason:
    """Return under which reason a refusal is counted."""
    if isinstance(error, DecodeError):
        return Reason.MALFORMED
    if isinstance(error, KeyMissing):
        return Reason.NO_KEY
    if isinstance(error, TagMismatch):
        return Reason.WRONG_KEY
    if isinstance(error, (InvocationCounterError, ReplayedAccessNumber)):
        return Reason.REPLAY
    return Reason.CLEAR if isinstance(error, WeakProtection) else Reason.UNSUPPORTED


class ReplayedAccessNumber(PolicyViolation):
    """An access number that this meter used before; modes without a message counter have nothing better."""


@dataclass(slots=True)
class _Meter:
    """What is known of one meter. `keys` by id; `counters` the last of each kind, key and direction.

    `general` stands for every id that has no key of its own.
    """

    keys: dict[int, bytes] = field(repr=False, default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    general: bytes | None = field(repr=False, default=None)


class KeyStore:
    """Keys by meter, looked up in constant time, and the state that a replay check needs.

    `access_window` says how far an access number (8 bits, in modes 5 and without a counter) may be ahead of the last
    one: 0 refuses only the last one itself, n refuses whatever is not 1 to n ahead. A window refuses a meter that was
    not heard for long, until its numbers come round: therefore it is off unless asked for. `mac_of_mode_7`: whether
    security mode 7 is refused without a MAC, which the standard wants with it. `ask` is asked for the key of a meter
    that was not added; such a meter is remembered once a telegram of it was verified, so that strangers on the air
    cannot fill the memory with addresses.
    """

    def __init__(self, *, ask: KeysOf | None = None, access_window: int = 0, mac_of_mode_7: bool = True) -> None:
        if not 0 <= access_window < ACCESS_NUMBERS:
            raise ConfigError(f"a window of access numbers has 0 to 255 of them, not {access_window}")
        self.failures: Counter[str] = Counter()
        self.mac_of_mode_7 = mac_of_mode_7
        self._access_window = access_window
        self._ask = ask
        self._remembers = True
        self._meters: dict[bytes, _Meter] = {}

    def __repr__(self) -> str:
        return f"<KeyStore: {len(self._meters)} meters>"

    def __len__(self) -> int:
        return len(self._meters)

    @staticmethod
    def _index(address: Address) -> bytes:
        return address.link

    def _held(self, address: Address) -> _Meter | None:
        meter = self._meters.get(self._index(address))
        if meter is None and self._ask is not None:
            key = self._ask(address)
            meter = None if key is None else _Meter(general=key)
        return meter

    def onlooker(self) -> KeyStore:
        """Return a store with these keys that refuses no repetition and remembers none: for a look at a telegram
        before it is taken, and for captures that have everything twice."""
        looking = KeyStore(ask=self._ask, access_window=self._access_window, mac_of_mode_7=self.mac_of_mode_7)
        looking._meters, looking._remembers = self._meters, False
        return looking

    def replace(self, address: Address, key: bytes, key_id: int = 0) -> Callable[[], None]:
        """Use a new key of a meter from now on, in the place of the one with this id; return what undoes it."""
        index, before = self._index(address), self._meters.get(self._index(address))
        held = self._held(address) or _Meter(general=key)
        old = held.keys.get(key_id, held.general)
        keys = {number: key if one == old else one for number, one in held.keys.items()}
        self._meters[index] = _Meter(keys)
        self.add(address, key, key_id)
        if held.general is not None:
            self._meters[index].general = key

        def undo() -> None:
            self._meters.pop(index, None)
            if before is not None:
                self._meters[index] = before

        return undo

    def add(self, address: Address, key: bytes, key_id: int = 0) -> None:
        """Remember a key of 16 octets. Another key in the place of one lets the meter's counters begin anew."""
        if len(key) != KEY_LENGTH:
            raise ConfigError(f"an M-Bus key has {KEY_LENGTH} octets, not {len(key)}")
        if not 0 <= key_id <= 0x0F:
            raise ConfigError(f"a key id is 0 to 15, not {key_id}")
        meter = self._meters.setdefault(self._index(address), _Meter())
        held = meter.keys.get(key_id)
        if held is not None and not compare_digest(held, key):
            meter.counters = {
                name: value for name, value in meter.counters.items() if not name.startswith(f"{key_id} ")
            }
        meter.keys[key_id] = bytes(key)

    def remove(self, address: Address) -> None:
        """Forget a meter with its keys and counters."""
        self._meters.pop(self._index(address), None)

    def knows(self, address: Address | None) -> bool:
        """Say whether a meter has a key."""
        return address is not None and self._held(address) is not None

    def find(self, address: Address, key_id: int = 0) -> bytes:
        """Return the key. Raises `KeyMissing` naming the meter and the id."""
        meter = self._held(address)
        key = None if meter is None else meter.keys.get(key_id, meter.general)
        if key is None:
            raise KeyMissing(f"no key {key_id} of meter {address} is known")
        return key

    def _last(self, address: Address, key_id: int, kind: str) -> int | None:
        meter = self._meters.get(self._index(address)) if self._remembers else None
        return None if meter is None else meter.counters.get(f"{key_id} {kind}")

    def check_counter(self, address: Address, key_id: int, kind: str, counter: int) -> None:
        """Refuse a message counter that is not above the last one. Raises `InvocationCounterError`. Nothing changes."""
        last = self._last(address, key_id, kind)
        if last is not None and counter <= last:
            raise InvocationCounterError(counter, last + 1)

    def check_access(self, address: Address, key_id: int, kind: str, number: int) -> None:
        """Refuse an access number that was just used, or is outside the window. Nothing changes."""
        last = self._last(address, key_id, kind)
        if last is None:
            return
        ahead = (number - last) % ACCESS_NUMBERS
        if not ahead:
            raise ReplayedAccessNumber(f"access number {number} of meter {address} was the last one: a repetition")
        if self._access_window and ahead > self._access_window:
            raise ReplayedAccessNumber(f"access number {number} of meter {address} does not follow {last}")

    def commit(self, address: Address, key_id: int, kind: str, counter: int) -> None:
        """Remember a counter of a telegram that was verified; of meters without keys nothing is remembered."""
        meter = self._held(address) if self._remembers else None
        if meter is not None:
            self._meters[self._index(address)] = meter
            meter.counters[f"{key_id} {kind}"] = counter

    def counters(self, address: Address) -> dict[str, int]:
        """Return what was last seen of a meter, for a store that outlives the program; `restore` takes it back."""
        meter = self._meters.get(self._index(address))
        return {} if meter is None else dict(meter.counters)

    def restore(self, address: Address, counters: dict[str, int]) -> None:
        """Take back what `counters` gave. Raises `ConfigError` for a meter without keys."""
        meter = self._meters.get(self._index(address))
        if meter is None:
            raise ConfigError(f"meter {address} has no key whose counters could be restored")
        meter.counters.update(counters)

    def count(self, error: CosemError) -> None:
        """Count a refusal by its reason."""
        self.failures[reason_of(error)] += 1

"""Changing what a meter and its client share, as conversations: keys under the master key, and secrets.

The order is the safe one. The caller has written the new ones down before anything is sent; they are sent; the proof
that the meter has them is an association under them. Where the answer is lost the new ones are tried, then the old.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from cosem.association.steps import Hangup
from cosem.client.core import CURRENT_ASSOCIATION, Core, Talk
from cosem.client.short_names import ShortNameCore
from cosem.codec import axdr
from cosem.errors import (
    AccessError,
    AssociationRejected,
    ConfigError,
    ConnectionLost,
    CosemError,
    ExceptionResponseReceived,
    HlsFailed,
    KeyMissing,
    SecurityError,
    Timeout,
)
from cosem.obis import Obis
from cosem.security import keywrap
from cosem.security.keys import Keys

if TYPE_CHECKING:
    from cosem.client.plan import Plan

SECURITY_SETUP: Final = Obis.parse("0-0:43.0.0.255")
KEY_IDS: Final = {
    "global_unicast_encryption_key": 0,
    "global_broadcast_encryption_key": 1,
    "authentication_key": 2,
    "master_key": 3,
}
_UNSURE = (Timeout, ConnectionLost, ExceptionResponseReceived, SecurityError)
"""What leaves open whether a change was carried out."""
_SHUT_OUT = (AssociationRejected, ExceptionResponseReceived, HlsFailed, SecurityError, Timeout, AccessError)
"""How a meter meets a client that has other keys or another secret than itself."""


def change_key(
    plan: Plan, core: Core, new: Keys, *, counter: int | None = None, setup: Obis = SECURITY_SETUP
) -> Talk[tuple[str, ...]]:
    """Replace the keys that `new` holds and that differ from those of now; returns their names.

    Each travels wrapped under the master key of now, all in one transfer: the meter takes all or none. `counter` is the
    first invocation counter used under a new unicast key (what the store says without one). Afterwards there is a new
    association under the new keys, and `plan` holds them. Raises `KeyMissing` without a master key, `AccessError` where
    the meter refuses, and `ConnectionLost` or `Timeout` where neither the new keys nor the old ones reach it.
    """
    old = plan.device.keys
    changed = {
        item.name: key
        for item in fields(new)
        if (key := getattr(new, item.name)) is not None and key != getattr(old, item.name)
    }
    if "dedicated_key" in changed:
        raise ConfigError("a dedicated key belongs to one association: it is not transferred")
    if not changed:
        raise ConfigError("these keys are the ones that are in use")
    if old.master_key is None:
        raise KeyMissing("master_key is needed: keys travel wrapped under it")
    rows = [
        axdr.structure(axdr.enum(KEY_IDS[name]), axdr.octet_string(keywrap.wrap(old.master_key, key)))
        for name, key in changed.items()
    ]
    certain = yield from _carried_out(core.call_data(64, setup, 2, axdr.array(*rows)))
    device, floor = plan.device, plan.counter_floor

    def take() -> None:
        plan.take(replace(device, keys=replace(old, **changed)), counter or 0)

    def back() -> None:
        plan.take(device, floor)

    yield from _prove(core, take, back, certain, "keys")
    return tuple(changed)


def change_secret(plan: Plan, core: Core, new: bytes) -> Talk[None]:
    """Replace the password (low level security) or the secret (high level) of this client's own association.

    Afterwards there is a new association by it. Raises `ConfigError` where the mechanism has none (GMAC has its keys),
    and otherwise as `change_key`.
    """
    mechanism = plan.url.mechanism
    if mechanism in (0, 5):
        raise ConfigError("this association has no secret to change: it is open to all, or proves itself by its keys")
    name = core.options.association if mechanism != 1 else CURRENT_ASSOCIATION
    value = axdr.octet_string(new)
    talk: Talk[Any]
    if isinstance(core, ShortNameCore):
        talk = core.change_secret(mechanism, value)
    else:
        talk = core.set_data(15, name, 7, value) if mechanism == 1 else core.call_data(15, name, 2, value)
    certain = yield from _carried_out(talk)
    device, floor = plan.device, plan.counter_floor
    where = "password" if mechanism == 1 else "hls_secret"

    def take() -> None:
        plan.take(replace(device, **{where: new}), floor)  # type: ignore[arg-type]

    def back() -> None:
        plan.take(device, floor)

    yield from _prove(core, take, back, certain, "secret")


def _carried_out(talk: Talk[Any]) -> Talk[bool]:
    """Ask for the change; False where no answer says what became of it. Raises `AccessError` for a no."""
    try:
        yield from talk
    except _UNSURE:
        return False
    return True


def _prove(core: Core, take: Any, back: Any, certain: bool, what: str) -> Talk[None]:
    """Associate with what is new; where nothing was confirmed, and that fails, with what was."""
    yield Hangup()
    take()
    try:
        yield from core.open()
    except _SHUT_OUT as refused:
        if certain:
            raise
        back()
        try:
            yield from core.open()
        except CosemError:
            # Nobody can tell; what was written down first is still there.
            take()
            raise refused from None
        raise ConnectionLost(f"the change was not confirmed, and the meter still has the old {what}") from None

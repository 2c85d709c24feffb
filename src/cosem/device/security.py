"""Behaviour of the security setup (class 64): a policy that only gets stronger, keys that come wrapped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cosem.classes.c064_security_setup import SecuritySetup, SecuritySetupV0, SecuritySuite
from cosem.codec.axdr import Data, Tag
from cosem.device.associations import Association
from cosem.device.causes import Cause
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.errors import ConfigError, SecurityError
from cosem.obis import obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security import keywrap
from cosem.security.policy import NOTHING, Policy

MASTER_KEY = 3
_KEY_NAMES = {
    0: "global_unicast_encryption_key",
    1: "global_broadcast_encryption_key",
    2: "authentication_key",
    MASTER_KEY: "master_key",
}
_KEY_IDS = ((0, 1, 2), (0, 1, 2, MASTER_KEY))
"""Keys that can be transferred, by version."""
KEY_LENGTH = 16
"""Octets of a key of suite 0."""


def mask_of(policy: int) -> int:
    """Return a policy of version 0 (0 to 3) as the mask of version 1, the same for requests and responses."""
    return policy << 2 | policy << 5


class SecuritySetupBehaviour:
    """One security setup of suite 0 and the associations that use it.

    `policy` is security_policy of version 0; in version 1 the object shows it as a mask. A stronger policy holds from
    the next request on, as new keys do: the answer to their transfer is the last under the old ones. A new master key
    is the one for the next transfer, here and in the setups that `follow` this one. Who came in without any security
    while none was demanded can do nothing more once a policy asks for it, and comes again.
    """

    def __init__(
        self, host: Host, name: str, system_title: bytes, policy: int, master_key: bytes | None, version: int = 0
    ) -> None:
        self.host = host
        self.version = version
        self.policy = mask_of(policy) if version else policy
        self._master_key = master_key
        self._followers: list[SecuritySetupBehaviour] = []
        self._has_own_master = True
        self.associations: list[Association] = []
        kind = SecuritySetup if version else SecuritySetupV0
        self.object: SecuritySetupV0 = host.add(
            kind(
                obis(name),
                security_policy=self.policy,
                security_suite=SecuritySuite(0),
                client_system_title=bytes(8),
                server_system_title=system_title,
            )
        )
        host.compute(self.object, 2, lambda: Data(Tag.ENUM, self.policy))
        host.writers(self.object, {2: self.write_policy})
        host.handle(self.object, 1, self._activate)
        host.handle(self.object, 2, self._transfer)
        if version:
            # Keys are agreed on in suites 1 and 2 alone; certificates, too, which therefore nobody may ask for here.
            host.handle(self.object, 3, self._no_agreement)

    def follow(self, other: SecuritySetupBehaviour) -> None:
        """Have the master key of another setup, as it changes, until one of its own comes."""
        self._has_own_master = False
        other._followers.append(self)

    def write_policy(self, value: Data) -> DataAccessResult:
        """Take a policy by SET, under the same rule as by the method."""
        try:
            self._activate(value.value)
        except Refused:
            return DataAccessResult.OTHER_REASON
        return DataAccessResult.SUCCESS

    def _no_agreement(self, parameter: Any) -> None:
        raise Refused(ActionResult.OTHER_REASON)

    def _activate(self, policy: int) -> None:
        policy = int(policy)
        try:
            required = Policy.from_v1(policy) if self.version else Policy.from_v0(policy)
        except ConfigError:
            raise Refused(ActionResult.OTHER_REASON) from None
        # 2 (encrypted) is not stronger than 1 (authenticated): one demands what the other does not. So with masks.
        if policy & self.policy != self.policy:
            raise Refused(ActionResult.OTHER_REASON)
        # A policy without keys would shut everybody out.
        if policy and not all(association.spec.has_keys for association in self.associations):
            raise Refused(ActionResult.OTHER_REASON)
        self.policy = policy
        for association in self.associations:
            spec = association.spec
            spec.required = required
            if required != NOTHING and not spec.ciphered:
                spec.ciphered = True
                if spec.mechanism != 5:
                    association.demand(required.request)
            for context in association.contexts:
                context.policy = required

    def _transfer(self, transfers: Any) -> None:
        """Replace keys, all of them or none."""
        if self._master_key is None or not transfers:
            raise Refused(ActionResult.OTHER_REASON)
        keys: dict[str, bytes] = {}
        for key_id, wrapped in transfers:
            if int(key_id) not in _KEY_IDS[min(self.version, 1)]:
                raise Refused(ActionResult.OTHER_REASON)
            try:
                key = keywrap.unwrap(self._master_key, wrapped)
            except SecurityError:
                raise Refused(ActionResult.OTHER_REASON) from None
            if len(key) != KEY_LENGTH:
                raise Refused(ActionResult.OTHER_REASON)
            keys[_KEY_NAMES[int(key_id)]] = key
        if (master_key := keys.get("master_key")) is not None:
            self._has_own_master = True
            self._take_master(master_key)
        for association in self.associations:
            self.host.device.change_keys(association, replace(association.spec.keys, **keys))
        self.host.note(Cause.KEY_CHANGED, keys=tuple(sorted(keys)))

    def _take_master(self, master_key: bytes) -> None:
        self._master_key = master_key
        for follower in self._followers:
            if not follower._has_own_master:
                follower._take_master(master_key)
                for association in follower.associations:
                    association.spec.keys = replace(association.spec.keys, master_key=master_key)

"""Behaviour of the security setup (class 64): a policy that only gets stronger, keys that come wrapped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cosem.classes.c064_security_setup import SecuritySetupV0, SecuritySuite
from cosem.codec.axdr import Data, Tag
from cosem.device.associations import Association
from cosem.device.errors import Refused
from cosem.errors import SecurityError
from cosem.obis import obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security import keywrap
from cosem.security.policy import Policy

_KEY_NAMES = {0: "global_unicast_encryption_key", 1: "global_broadcast_encryption_key", 2: "authentication_key"}


class SecuritySetupBehaviour:
    """One security setup and the associations that use it.

    A stronger policy holds from the next request on, new keys from the next association on. Who came in without any
    security while none was demanded can do nothing more, and comes again.
    """

    def __init__(self, name: str, system_title: bytes, policy: int, master_key: bytes | None) -> None:
        self.policy = policy
        self._master_key = master_key
        self.associations: list[Association] = []
        self.object = SecuritySetupV0(
            obis(name),
            security_policy=policy,
            security_suite=SecuritySuite(0),
            client_system_title=bytes(8),
            server_system_title=system_title,
        )
        store: Any = self.object.store
        store.values.pop(2)
        store.computed[2] = lambda selection: Data(Tag.ENUM, self.policy)
        store.handlers[1] = self._activate
        store.handlers[2] = self._transfer

    def write_policy(self, value: Data) -> DataAccessResult:
        """Take a policy by SET, under the same rule as by the method."""
        try:
            self._activate(value.value)
        except Refused:
            return DataAccessResult.OTHER_REASON
        return DataAccessResult.SUCCESS

    def _activate(self, policy: int) -> None:
        policy = int(policy)
        # 2 (encrypted) is not stronger than 1 (authenticated): one demands what the other does not.
        if not 0 <= policy <= 3 or policy & self.policy != self.policy:
            raise Refused(ActionResult.OTHER_REASON)
        # A policy without keys would shut everybody out.
        if policy and not all(association.spec.has_keys for association in self.associations):
            raise Refused(ActionResult.OTHER_REASON)
        self.policy = policy
        for association in self.associations:
            spec = association.spec
            spec.policy = policy
            if policy and not spec.ciphered:
                spec.ciphered = True
                if spec.mechanism != 5:
                    association.demand(policy)
            for context in association.contexts:
                context.policy = Policy.from_v0(policy)

    def _transfer(self, transfers: Any) -> None:
        """Replace keys, all of them or none."""
        if self._master_key is None or not transfers:
            raise Refused(ActionResult.OTHER_REASON)
        keys: dict[str, bytes] = {}
        for key_id, wrapped in transfers:
            name = _KEY_NAMES.get(int(key_id))
            if name is None:
                raise Refused(ActionResult.OTHER_REASON)
            try:
                key = keywrap.unwrap(self._master_key, wrapped)
            except SecurityError:
                raise Refused(ActionResult.OTHER_REASON) from None
            if len(key) != 16:
                raise Refused(ActionResult.OTHER_REASON)
            keys[name] = key
        for association in self.associations:
            association.spec.keys = replace(association.spec.keys, **keys)

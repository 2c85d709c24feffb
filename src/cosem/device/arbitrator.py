"""Behaviour of the arbitrator (class 68): of what several actors ask for, what weighs most is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cosem.classes.c068_arbitrator import ActionRequest, Arbitrator
from cosem.classes.common import ActionItem
from cosem.codec.axdr import Data
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.scripts import ScriptTables
from cosem.errors import ConfigError
from cosem.obis import obis
from cosem.results import ActionResult, DataAccessResult


class ArbitratorBehaviour:
    """One arbitrator. Its scripts are run on behalf of whoever asked. Raises `ConfigError` for tables that do not fit.

    `permissions` has a bit-string for each actor, `weightings` its weights, both as long as there are actions.
    """

    def __init__(
        self,
        host: Host,
        scripts: ScriptTables,
        name: str,
        actions: Sequence[ActionItem],
        permissions: Sequence[str],
        weightings: Sequence[Sequence[int]],
    ) -> None:
        self._host = host
        self._scripts = scripts
        tables = tuple(actions), tuple(permissions), tuple(map(tuple, weightings))
        if not _fit(*tables):
            raise ConfigError("each actor needs a permission and a weight for each action")
        self.object = host.add(
            Arbitrator(
                obis(name),
                actions=tables[0],
                permissions_table=tables[1],
                weightings_table=tables[2],
                most_recent_requests_table=_nothing(*tables[:2]),
                last_outcome=0,
            )
        )
        host.handle(self.object, 1, self._request)
        host.handle(self.object, 2, self._reset)
        host.writers(self.object, {number: self._writer(number) for number in (2, 3, 4)})

    def _writer(self, number: int) -> Any:
        kind = Arbitrator.attributes[number].type

        def write(value: Data) -> DataAccessResult:
            """Take a table of the size that there is: actors and actions are those that were built in."""
            arbitrator = self.object
            tables: list[Any] = [arbitrator.actions, arbitrator.permissions_table, arbitrator.weightings_table]
            sizes = len(tables[0]), len(tables[1])
            tables[number - 2] = kind.from_data(value)
            if not _fit(*tables) or sizes != (len(tables[0]), len(tables[1])):
                return DataAccessResult.OTHER_REASON
            store: Any = arbitrator.store
            store.values[number] = value
            return DataAccessResult.SUCCESS

        return write

    def _request(self, request: ActionRequest) -> None:
        """Take what an actor asks for, and do the action with the greatest weight where there is one such."""
        arbitrator = self.object
        actions, permissions = arbitrator.actions, arbitrator.permissions_table
        actor = request.request_actor
        if actor >= len(permissions) or len(request.request_action_list) != len(actions):
            raise Refused(ActionResult.OTHER_REASON)
        pairs = zip(request.request_action_list, permissions[actor], strict=True)
        asked = "".join("1" if wanted == allowed == "1" else "0" for wanted, allowed in pairs)
        if "1" in request.request_action_list and "1" not in asked:
            raise Refused(ActionResult.READ_WRITE_DENIED)
        requests = list(arbitrator.most_recent_requests_table)
        requests[actor] = asked
        arbitrator.most_recent_requests_table = tuple(requests)
        totals = [
            sum(
                weights[number]
                for weights, bits in zip(arbitrator.weightings_table, requests, strict=True)
                if bits[number] == "1"
            )
            for number in range(len(actions))
        ]
        best = max(totals, default=0)
        if not best or totals.count(best) > 1:
            return
        winner = totals.index(best)
        arbitrator.last_outcome = winner + 1
        self._scripts.run(actions[winner], self._host.origin)

    def _reset(self, parameter: int) -> None:
        """Forget all requests; the tables stay."""
        arbitrator = self.object
        arbitrator.most_recent_requests_table = _nothing(arbitrator.actions, arbitrator.permissions_table)
        arbitrator.last_outcome = 0


def _fit(actions: Sequence[Any], permissions: Sequence[str], weightings: Sequence[Sequence[int]]) -> bool:
    count = len(actions)
    return len(permissions) == len(weightings) and all(len(row) == count for row in (*permissions, *weightings))


def _nothing(actions: Sequence[Any], permissions: Sequence[str]) -> tuple[str, ...]:
    return ("0" * len(actions),) * len(permissions)

"""Invocation counters in the head-end's database: leased in blocks by a transaction before any is used."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.sqlite import insert

from cosem.headend.schema import counter
from cosem.security.counters import next_block


class DatabaseCounterStore:
    """A `CounterStore` (`cosem.security.counters`): a lease is on the disk when it is returned, so none comes twice."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def lease(self, name: str, count: int, at_least: int = 0) -> tuple[int, int]:
        """Persist and return the next block."""
        with self._engine.begin() as connection:
            return self.lease_many(connection, {name: at_least}, count)[name]

    def lease_many(self, connection: Connection, floors: dict[str, int], count: int) -> dict[str, tuple[int, int]]:
        """Lease a block for each of several counters in the caller's transaction, none below its floor.

        Nothing of it may be used before that transaction is committed.
        """
        names = list(floors)
        known: dict[str, int] = {}
        for start in range(0, len(names), 500):
            query = select(counter.c.name, counter.c.next).where(counter.c.name.in_(names[start : start + 500]))
            known.update((name, following) for name, following in connection.execute(query))
        blocks = {name: next_block(known.get(name, 0), count, floor) for name, floor in floors.items()}
        if blocks:
            statement = insert(counter)
            statement = statement.on_conflict_do_update(index_elements=["name"], set_={"next": statement.excluded.next})
            connection.execute(statement, [{"name": name, "next": behind} for name, (_, behind) in blocks.items()])
        return blocks

    def last_received(self, name: str) -> int | None:
        """Return the last accepted counter of the peer."""
        with self._engine.connect() as connection:
            found: int | None = connection.execute(
                select(counter.c.received).where(counter.c.name == name)
            ).scalar_one_or_none()
            return found

    def commit_received(self, name: str, value: int) -> None:
        """Persist the last accepted counter of the peer."""
        statement = insert(counter).values(name=name, received=value)
        statement = statement.on_conflict_do_update(
            index_elements=["name"], set_={"received": statement.excluded.received}
        )
        with self._engine.begin() as connection:
            connection.execute(statement)

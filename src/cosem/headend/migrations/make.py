"""Write the next revision from what the schema says and the revisions so far do not: python -m ... "what changed"."""

from __future__ import annotations

import sys

from alembic import command
from sqlalchemy import create_engine

from cosem.headend.database import REVISION, alembic_config


def main(words: str) -> None:
    """Write the revision behind the newest; what it does is to be read before it is kept."""
    with create_engine("sqlite://").connect() as connection:
        config = alembic_config(connection)
        command.upgrade(config, "head")
        command.revision(config, words, autogenerate=True, rev_id=f"{int(REVISION) + 1:04}")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))

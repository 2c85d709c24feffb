"""A head-end is killed just when a meter has taken new keys and nobody has written that down. The next one finds out.

New keys are kept, sealed, before anything of them is sent; until it is known which ones the meter has, both are kept.

    pip install 'cosem[headend]'
"""

import asyncio
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cosem.headend.engine import HeadendSettings
from cosem.headend.folder import make_folder
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.keychanges import ChangeState
from cosem.headend.permits import Limits
from cosem.headend.service import working
from cosem.headend.vault import KeyState, Purpose, Vault
from cosem.io.server import DeviceServer
from cosem.simulator.meter import DEMO_KEYS, simulated_meter

CHANGE = "example-1"
"""What whoever asks calls the change: asked for again by that name it is the same one."""


async def change_and_die(folder: Path) -> None:
    """Be the head-end that is killed: the meter has said yes, and the database does not know yet."""
    async with working(HeadendSettings(folder), schedule=False) as headend:

        def kill(change, step: str) -> None:
            if step == "proved":
                os.kill(os.getpid(), signal.SIGKILL)

        headend.key_changes.listeners.append(kill)
        await headend.key_changes.request("meter-1", "example", identity=CHANGE)
        await asyncio.sleep(60)


async def main(folder: Path) -> None:
    meter = simulated_meter(seed=1, end=datetime.now(UTC), days=0.1)
    server = DeviceServer(meter.device)
    _, port = await server.start()
    make_folder(folder)
    Vault.find(folder, create=True)
    async with working(HeadendSettings(folder), schedule=False) as headend:
        prepare(headend, f"tcp://127.0.0.1:{port}?client=1&auth=high-gmac&security=both&timeout=3")

    # A process of its own, which ends as a machine without power does.
    begun = await asyncio.create_subprocess_exec(sys.executable, __file__, str(folder))
    status = await begun.wait()
    print("the head-end was killed" if status == -signal.SIGKILL else f"the head-end ended with {status}")

    # What it left: two sets of keys, of which the meter has the one that is not the active one.
    async with working(HeadendSettings(folder), schedule=False) as headend:
        # The queue of the one that was killed has the job already; it is under way again.
        change = headend.key_changes.get(CHANGE)
        print(f"the change is {change.state}, with {len(keys(headend, 'new')) or 'no'} new keys kept beside the old")
        while change.state not in (ChangeState.DONE, ChangeState.FAILED):
            await asyncio.sleep(0.1)
            change = headend.key_changes.get(CHANGE)
        print(f"and now it is {change.state}: {change.detail}")

        has = meter.logical.associations[1].spec.keys.global_unicast_encryption_key
        active = keys(headend, "active")[Purpose.UNICAST]
        print("the active key is", "the one that the meter has" if active == has else "another one")
        print("it is", "the old one" if active == DEMO_KEYS.global_unicast_encryption_key else "not the old one")
        async with headend.meter(1) as session:
            clock = await session.clock()
        print("read with it:", f"{clock.to_datetime():%Y}" if clock else "nothing")
    await server.stop()


def prepare(headend, url: str) -> None:
    """Put a meter into the inventory, with the keys that it left the factory with."""
    now = int(headend.clock())
    with headend.engine.begin() as connection:
        inventory = Inventory(connection)
        inventory.set_segment("street", Limits())
        number = inventory.add(NewDevice("meter-1", Kind.ELECTRICITY, None, "street", url), now)
        inventory.move("meter-1", State.IN_USE, now)
        held = {
            Purpose.UNICAST: DEMO_KEYS.global_unicast_encryption_key,
            Purpose.AUTHENTICATION: DEMO_KEYS.authentication_key,
            Purpose.MASTER: DEMO_KEYS.master_key,
        }
        headend.keys.put(connection, number, held, now)


def keys(headend, state: str):
    """Return a meter's keys of a state; this is the only place that has them in clear."""
    with headend.engine.connect() as connection:
        return headend.keys.secrets(connection, [1], KeyState(state))[1]


if len(sys.argv) > 1:
    asyncio.run(change_and_die(Path(sys.argv[1])))
else:
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(main(Path(made)))

"""Key files for the command line: as keys of a meter, and as a keyring for explaining."""

from __future__ import annotations

from pathlib import Path

from cosem.explain.keyring import KeyEntry, Keyring


def keyring_from_file(path: Path | None, device: str | None = None) -> Keyring:
    """Return the keyring of a key file (or of the environment); one section of it where `device` names one."""
    from cosem.client.keyfile import KeyFile

    file = KeyFile.find(path)
    devices = (file.device(device),) if device is not None else file.all()
    return Keyring(
        tuple(
            KeyEntry(item.name, item.keys, item.system_title, item.client_system_title, item.verify) for item in devices
        ),
        meters=file.mbus_keys(),
    )

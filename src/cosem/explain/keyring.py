"""Which keys may open what: the sections of a key file, as the explainer needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cosem.security.keys import Keys


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """Keys of one meter. `verify` false lets telegrams be opened without an authentication key (and says so)."""

    name: str
    keys: Keys
    system_title: bytes | None = None
    client_system_title: bytes | None = None
    verify: bool = True

    def title(self, *, request: bool) -> bytes | None:
        """Return the sender's title for an APDU that carries none; where only one is known it serves both."""
        own = self.client_system_title if request else self.system_title
        return own or self.system_title or self.client_system_title


@dataclass(slots=True)
class Keyring:
    """All entries, the one that fits a title first.

    What a stream tells by itself is learnt: the dedicated key of an initiate request, the titles of AARQ and AARE.
    """

    entries: tuple[KeyEntry, ...] = ()
    dedicated: bytes | None = field(default=None, repr=False)
    client_title: bytes | None = None
    server_title: bytes | None = None
    meters: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Keys of M-Bus meters by their identification number."""

    def learn(self, other: Keyring) -> None:
        """Take over what another keyring has learnt."""
        self.dedicated = other.dedicated
        self.client_title = other.client_title
        self.server_title = other.server_title

    def copy(self) -> Keyring:
        """Return a keyring that knows the same and learns for itself."""
        return Keyring(self.entries, self.dedicated, self.client_title, self.server_title, self.meters)

    def candidates(self, title: bytes | None, *, request: bool) -> Iterator[tuple[KeyEntry, bytes]]:
        """Yield the entries to try with the title to use, best first.

        An entry that names another meter than the APDU's own title does is tried last: key files are often
        written for a whole type of meter.
        """
        fitting: list[tuple[KeyEntry, bytes]] = []
        learnt = self.client_title if request else self.server_title
        others: list[tuple[KeyEntry, bytes]] = []
        for entry in self.entries:
            if title:
                named = (entry.system_title, entry.client_system_title)
                (fitting if title in named or not any(named) else others).append((entry, title))
            elif (own := learnt or entry.title(request=request)) is not None:
                fitting.append((entry, own))
        yield from fitting
        yield from others
        # Last, the titles of the key file: some meters protect under another title than the one they say.
        used = title or learnt
        for entry in self.entries:
            if used and (own := entry.title(request=request)) is not None and own != used:
                yield entry, own

"""What is particular to each mode of wireless M-Bus: frame formats, line codes, synchronisation, Mode Q's addresses.

(EN 13757-4, clauses 5 to 11; EN 13757-5.) Radio itself is not here: these are facts and helpers for receivers that hand
on raw chips, and for descriptions of channels.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.wireless import Format


class LineCode(StrEnum):
    """How octets become chips."""

    MANCHESTER = "Manchester"
    THREE_OF_SIX = "3 of 6"
    NRZ = "NRZ"


class Mode(NamedTuple):
    """A mode of transmission from the meter. `chips` per second; `frequency` in kHz; `formats` it may use."""

    name: str
    frequency: int
    chips: int
    code: LineCode
    formats: tuple[Format, ...]


_BOTH = (Format.A, Format.B)
MODES = {
    mode.name: mode
    for mode in (
        Mode("S1", 868_300, 32_768, LineCode.MANCHESTER, (Format.A,)),
        Mode("S2", 868_300, 32_768, LineCode.MANCHESTER, (Format.A,)),
        Mode("T1", 868_950, 100_000, LineCode.THREE_OF_SIX, (Format.A,)),
        Mode("T2", 868_950, 100_000, LineCode.THREE_OF_SIX, (Format.A,)),
        Mode("R2", 868_330, 4_800, LineCode.MANCHESTER, (Format.A,)),
        Mode("C1", 868_950, 100_000, LineCode.NRZ, _BOTH),
        Mode("C2", 868_950, 100_000, LineCode.NRZ, _BOTH),
        Mode("N1", 169_431, 2_400, LineCode.NRZ, _BOTH),
        Mode("N2", 169_431, 2_400, LineCode.NRZ, _BOTH),
        Mode("F2", 433_820, 2_400, LineCode.NRZ, _BOTH),
    )
}
"""The frequency of N is that of its channel 2a, where most devices begin; the mode has six channels around it."""


def format_of_sync(word: bytes) -> Format:
    """Return the format that a synchronisation word of mode C or F announces. Raises `DecodeError`."""
    form = {b"\x54\xcd": Format.A, b"\x54\x3d": Format.B, b"\xf6\x8d": Format.A, b"\xf6\x72": Format.B}.get(word)
    if form is None:
        raise DecodeError(f"synchronisation word {word.hex().upper()} announces no frame format", 0)
    return form


_SIX = (
    0b010110, 0b001101, 0b001110, 0b001011, 0b011100, 0b011001, 0b011010, 0b010011,
    0b101100, 0b100101, 0b100110, 0b100011, 0b110100, 0b110001, 0b110010, 0b101001,
)  # fmt: skip
_FROM_SIX = {six: nibble for nibble, six in enumerate(_SIX)}


def encode_three_of_six(octets: bytes) -> str:
    """Return the chips of mode T as text of 0 and 1: six chips a nibble, the high nibble first (EN 13757-4, 6.4)."""
    return "".join(f"{_SIX[octet >> 4]:06b}{_SIX[octet & 0x0F]:06b}" for octet in octets)


def decode_three_of_six(chips: str) -> bytes:
    """Return the octets in the chips of mode T. Raises `DecodeError` at the first six chips that are no symbol."""
    _only_chips(chips, 12)
    nibbles = []
    for start in range(0, len(chips), 6):
        nibble = _FROM_SIX.get(int(chips[start : start + 6], 2))
        if nibble is None:
            raise DecodeError(f"chips {chips[start : start + 6]} are no symbol of 3 out of 6", start // 12)
        nibbles.append(nibble)
    return bytes(high << 4 | low for high, low in zip(nibbles[::2], nibbles[1::2], strict=True))


def encode_manchester(octets: bytes) -> str:
    """Return the chips of mode S as text: 1 is 01, 0 is 10 (EN 13757-4, 5.4)."""
    return "".join("01" if bit == "1" else "10" for octet in octets for bit in f"{octet:08b}")


def decode_manchester(chips: str) -> bytes:
    """Return the octets in the chips of mode S. Raises `DecodeError` at the first pair without a change."""
    _only_chips(chips, 16)
    bits = []
    for start in range(0, len(chips), 2):
        pair = chips[start : start + 2]
        if pair[0] == pair[1]:
            raise DecodeError(f"chips {pair} are no bit of Manchester code", start // 16)
        bits.append(pair[1])
    return bytes(int("".join(bits[i : i + 8]), 2) for i in range(0, len(bits), 8))


def _only_chips(chips: str, step: int) -> None:
    if len(chips) % step or chips.strip("01"):
        raise DecodeError(f"chips come in {step} an octet and are 0 or 1", len(chips) // step)


class ModeQChannel(NamedTuple):
    """A port on a wireless M-Bus in mode Q, as class 73 describes it (Blue Book ed. 9, 4.7.3; EN 13757-5).

    `address` is empty as long as none was assigned. `mask` selects the groups that the device belongs to: a group
    address concerns it when every bit of the address is set in the mask [D: the standard's wording is not public].
    """

    address: bytes = b""
    mask: bytes = b""

    @property
    def assigned(self) -> bool:
        """Whether an address was given (addr_state 1)."""
        return bool(self.address)

    def hears(self, destination: bytes, *, group: bool = False) -> bool:
        """Say whether a frame to `destination` concerns this port; all ones is everybody."""
        if destination and not destination.strip(b"\xff"):
            return True
        if not group:
            return self.assigned and destination == self.address
        if len(destination) != len(self.mask) or not destination.strip(b"\x00"):
            return False
        return all(octet & mask == octet for octet, mask in zip(destination, self.mask, strict=True))

    def assign(self, address: bytes) -> ModeQChannel:
        """Return the channel with an address. Raises `EncodeError` for none, or everybody's."""
        if not address or not address.strip(b"\xff"):
            raise EncodeError("an address of a mode Q channel is not empty and not all ones")
        return self._replace(address=address)

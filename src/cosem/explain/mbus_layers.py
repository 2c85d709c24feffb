"""Telegrams of M-Bus meters as layers of ``cosem decode``: what carries records instead of COSEM."""

from __future__ import annotations

from typing import Any

from cosem.errors import DecodeError
from cosem.explain.keyring import Keyring
from cosem.explain.mbus import MBusExplainer, by_number
from cosem.explain.mbus_document import TelegramExplained
from cosem.explain.tree import Explained, Explanation, Failure, Layer
from cosem.mbus.octets import fields
from cosem.mbus.relays import Received, Relay
from cosem.mbus.telegram import State
from cosem.mbus.wireless import HEADER, WirelessFrame, control_name

NAMES = {"tpl": "mbus-transport", "apl": "mbus-application", "sealed": "mbus-application"}
"""What `cosem decode` calls the layers of a telegram; the others keep their names."""
_ASIDE = ("CI", "length", "L")


def append_layers(explained: Explained, said: TelegramExplained) -> None:
    """Append what stands inside the link of a telegram, and why something is not understood."""
    telegram = said.telegram
    error = said.error
    if telegram is not None:
        octets = telegram.octets
        parts = [layer for layer in telegram.layers if layer.name not in ("mbus-link", "wmbus-link", "tag")]
        end = len(octets) - (2 if parts and parts[-1].name == "mbus-link-end" else 0)
        around = 0
        for layer in parts:
            if layer.name == "mbus-link-end" or (layer.name == "apl" and said.apdu is not None):
                continue
            name = NAMES.get(layer.name, layer.name)
            explained.layers.append(
                Layer(name, layer.offset - around, octets[layer.offset : end], _fields(said, layer.name))
            )
            around = layer.offset
    if said.apdu is not None:
        for frame in said.apdu.frames:
            explained.layers += frame.layers
            explained.value, explained.data = frame.value, frame.data
    if error is not None:
        explained.error = Failure(error.what, error.offset, NAMES.get(error.layer, error.layer), error.incomplete)


def _fields(said: TelegramExplained, layer: str) -> dict[str, Any]:
    telegram = said.telegram
    if telegram is None:
        return {}
    if layer == "tpl":
        return {"ci": telegram.ci, **{key: value for key, value in said.header().items() if value not in (None, [])}}
    if layer in ("apl", "sealed"):
        proven = {} if telegram.state is State.CLEAR or said.sealed else {"verified": telegram.verified}
        answer: dict[str, Any] = {**proven, "content": "" if said.content is None else said.content.value}
        if said.sealed:
            answer["note"] = (
                "it is protected: an mbus_key in the key file (--keys) opens it, or cosem mbus decode --key"
            )
            return answer
        if found := said.record_documents():
            answer["records"] = found
        if said.records.manufacturer_data:
            answer["manufacturer_data"] = said.records.manufacturer_data.hex()
        return {**answer, **{key: value for key, value in said.more.items() if key not in ("layers", "value")}}
    return {
        item.name: item.text or item.octets.hex()
        for item in fields(telegram)
        if item.layer == layer and item.name not in _ASIDE
    }


class MeterLayers:
    """Appends the layers of the telegrams of one input; what one tells of compact frames serves those behind it."""

    def __init__(self, keyring: Keyring) -> None:
        self._explainer = MBusExplainer(by_number(keyring.meters), keyring=keyring)

    def append(self, explained: Explained, frame: bytes) -> None:
        """Append what stands inside the link of a wired frame."""
        append_layers(explained, self._explainer.take(Received(frame, Relay.HEX)))


def explain_wireless(octets: bytes, keyring: Keyring) -> Explanation:
    """Explain one wireless frame; without layers where octets are none: an L that fits, and letters for a maker."""
    explained = Explained()
    maker = int.from_bytes(octets[2:4], "little")
    if len(octets) <= HEADER or not all(1 <= maker >> shift & 0x1F <= 26 for shift in (10, 5, 0)):
        return Explanation([explained.fail(DecodeError("no wireless M-Bus frame", 0), "wmbus-link")])
    said = MBusExplainer(by_number(keyring.meters), keyring=keyring).take(Received(octets, Relay.HEX))
    link = None if said.telegram is None else said.telegram.link
    if isinstance(link, WirelessFrame):
        header = {
            "c": link.control,
            "c_name": control_name(link.control),
            "sender": str(link.address),
            "format": link.format.value,
        }
        explained.layers.append(Layer("wmbus-link", 0, octets, header))
    append_layers(explained, said)
    return Explanation([explained])

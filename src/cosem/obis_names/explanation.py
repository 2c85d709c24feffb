"""What an OBIS code means, in words made from the grammar of its value groups (Blue Book part 1, EN 13757-1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from cosem.obis import Obis, obis
from cosem.obis_names.table import Meaning, Status, medium
from cosem.units import Unit

MEDIA: Final = {
    0: ("abstract", "abstract"),
    1: ("electricity", "electricity"),
    4: ("heat cost allocation", "allocation"),
    5: ("cooling", "heat"),
    6: ("heat", "heat"),
    7: ("gas", "gas"),
    8: ("cold water", "water"),
    9: ("hot water", "water"),
    15: ("other media", "other"),
}
"""What group A names, and the file of its tables."""

_CALLED: Final = {"C": "quantity", "D": "processing", "E": "classification"}
"""What groups C, D and E are there for."""

_PERIODS: Final = 126
_PROFILE: Final = (7,)
"""The values of an unspecified number of billing periods are a profile (Blue Book part 1, group F)."""

_KEPT: Final = 4096
"""Explanations kept: more codes than any one meter has; a push listener meets the same few again and again."""


@dataclass(frozen=True, slots=True)
class Group:
    """One value group of a code: its letter, its value, what that means and who says so."""

    letter: str
    value: int
    words: str
    status: Status = Status.STANDARD


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means. `unit` and `classes` are the usual ones: None and empty where there is no usual one.

    `words` is one phrase without the medium; `groups` has the meaning of every value group, A to F.
    """

    obis: Obis
    words: str
    medium: str
    groups: tuple[Group, Group, Group, Group, Group, Group]
    unit: Unit | None = None
    classes: tuple[int, ...] = ()

    @property
    def known(self) -> bool:
        """Say whether every group has a meaning, be it that of a standard or of somebody who is named."""
        return all(group.status is not Status.UNKNOWN for group in self.groups)

    @property
    def standard(self) -> bool:
        """Say whether every group has its meaning from the standard."""
        return all(group.status is Status.STANDARD for group in self.groups)

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as ``cosem obis --json`` prints it."""
        return {
            "obis": str(self.obis),
            "hex": self.obis.hex(),
            "words": self.words,
            "medium": self.medium,
            "known": self.known,
            "unit": None if self.unit is None else int(self.unit),
            "unit_symbol": None if self.unit is None else self.unit.symbol,
            "classes": list(self.classes),
            "groups": [
                {"group": group.letter, "value": group.value, "words": group.words, "status": group.status.value}
                for group in self.groups
            ],
        }


def explain(code: Obis | bytes | str) -> Explanation:
    """Return what `code` means. Total: any six octets have an explanation; text that is no code is a `ConfigError`."""
    return _explain(obis(code))


def words(code: Obis | bytes) -> str:
    """Return the phrase for `code`; an empty one where some group of it is not known."""
    explanation = _explain(obis(code))
    return explanation.words if explanation.known else ""


@lru_cache(maxsize=_KEPT)
def _explain(code: Obis) -> Explanation:
    a, b, c, d, e, f = code
    name, file = MEDIA.get(a, (Status.UNKNOWN.value, ""))
    group_a = Group("A", a, name, Status.STANDARD if file else Status.UNKNOWN)
    group_b = _channel(b)
    found = _walk(file, c, d, e) if file else []
    rest = _groups((c, d, e), found)
    measured = bool(found) and found[0].node.measured
    group_f = _storage(f, found, measured=measured)
    unit, key = _unit(found)
    phrase = _phrase(found, key, rest)
    if not file:
        phrase = f"A = {a} ({name}), {phrase}"
    return Explanation(
        obis=code,
        words=", ".join([phrase, *_asides(group_b, group_f)]),
        medium=name,
        groups=(group_a, group_b, *rest, group_f),
        unit=unit,
        classes=_PROFILE if measured and f == _PERIODS else _last(found, "classes") or (),
    )


def _walk(file: str, c: int, d: int, e: int) -> list[Meaning]:
    """Return the meanings of C, D and E: the medium's own, or those of all media where they say more."""
    own = medium(file).walk(c, d, e)
    shared = medium("common").walk(c, d, e) if len(own) < 3 else []
    return shared if len(shared) > len(own) else own


def _channel(b: int) -> Group:
    if b == 0:
        return Group("B", b, "no channel")
    if b <= 64:
        return Group("B", b, f"channel {b}")
    if b <= 127:
        return Group("B", b, f"utility specific channel {b}", Status.UTILITY)
    if b <= 199:
        return Group("B", b, f"manufacturer specific channel {b}", Status.MANUFACTURER)
    return Group("B", b, Status.UNKNOWN.value, Status.UNKNOWN)


def _groups(values: tuple[int, int, int], found: list[Meaning]) -> tuple[Group, Group, Group]:
    groups: list[Group] = []
    for letter, value, meaning in zip("CDE", values, [*found, None, None, None][:3], strict=True):
        before = groups[-1].status if groups else Status.STANDARD
        if meaning is not None:
            node = meaning.node
            status = before if node.status is Status.STANDARD else node.status
            groups.append(Group(letter, value, meaning.fill(node.words).lstrip(), status))
        elif before in (Status.MANUFACTURER, Status.COUNTRY, Status.CONSORTIUM, Status.INACTIVE):
            groups.append(Group(letter, value, f"number {value}", before))
        elif _of_the_manufacturer(letter, value):
            groups.append(Group(letter, value, f"manufacturer specific {_CALLED[letter]} {value}", Status.MANUFACTURER))
        else:
            groups.append(Group(letter, value, Status.UNKNOWN.value, Status.UNKNOWN))
    return groups[0], groups[1], groups[2]


def _of_the_manufacturer(letter: str, value: int) -> bool:
    """Say whether the standard leaves `value` to the manufacturer (Blue Book part 1, table of reserved codes)."""
    return (128 <= value <= 199 or value == 240) if letter == "C" else 128 <= value <= 254


def _storage(f: int, found: list[Meaning], *, measured: bool) -> Group:
    form = next((item.node.f for item in reversed(found) if item.node.f), None)
    if f == 255:
        return Group("F", f, "current value" if measured else "not used")
    if form is not None and f <= 99:
        return Group("F", f, form.replace("{n}", str(f)))
    if f <= 99:
        return Group("F", f, f"billing period {f}")
    if f == 101:
        return Group("F", f, "last billing period")
    if 102 <= f <= 125:
        return Group("F", f, f"billing period {f - 100} back")
    if f == _PERIODS:
        return Group("F", f, "billing periods, number unspecified")
    if 128 <= f <= 254:
        return Group("F", f, f"manufacturer specific storage {f}", Status.MANUFACTURER)
    return Group("F", f, Status.UNKNOWN.value, Status.UNKNOWN)


def _last(found: list[Meaning], name: str) -> Any:
    """Return what the last group says of `name`; one that keeps its own is the last."""
    for item in found if found and found[0].node.keeps else reversed(found):
        if value := getattr(item.node, name):
            return value
        if item.node.keeps:
            break
    return None


def _unit(found: list[Meaning]) -> tuple[Unit | None, str]:
    """Return the usual unit, and the key it was found under."""
    key: str = _last(found, "unit") or "base"
    units: dict[str, Unit] = _last(found, "units") or {}
    return (Unit[key] if key in Unit.__members__ else units.get(key)), key


def _phrase(found: list[Meaning], key: str, groups: tuple[Group, Group, Group]) -> str:
    """Join what the groups say, the loud ones only; a value that nothing explains is told by its number."""
    phrase = ""
    for meaning in found:
        node = meaning.node
        if node.say is not None:
            phrase = meaning.fill(node.say)
        elif not node.quiet:
            words = meaning.fill(node.named.get(key, node.words))
            phrase += words if not phrase or words.startswith(" ") else f", {words}"
    rest = groups[len(found) :]
    told = [_told(group) for group in rest if group.status is not Status.UNKNOWN]
    if unknown := [f"{group.letter} = {group.value}" for group in rest if group.status is Status.UNKNOWN]:
        told.append(f"{', '.join(unknown)} ({Status.UNKNOWN.value})")
    return ", ".join([phrase.lstrip(), *told] if phrase else told) or groups[0].words


def _told(group: Group) -> str:
    return f"{group.letter} = {group.value} ({group.words})" if group.status is Status.UNKNOWN else group.words


def _asides(b: Group, f: Group) -> list[str]:
    return [_told(group) for group, usual in ((b, 0), (f, 255)) if group.value != usual]

"""The matrix of peers, transports and security: who did what, who cannot, who failed."""

from __future__ import annotations

from dataclasses import dataclass, field

OK, CANNOT, PEER, FAILED = "ok", "-", "peer", "FAILED"
Row = tuple[str, str, str]


@dataclass
class Matrix:
    """Tables by title; a cell is a word and the number of the note that tells why."""

    tables: dict[str, dict[Row, dict[str, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, title: str, row: Row, column: str, outcome: str, known: bool, why: str) -> None:
        """Take what became of one test. `known`: it failed as expected, because the peer is wrong."""
        if outcome == "passed":
            cell = OK
        elif known and outcome == "skipped":
            cell = PEER + self._note(why)
        elif outcome == "skipped":
            cell = CANNOT + self._note(why.removeprefix("Skipped: ").removeprefix("not possible: "))
        else:
            cell = FAILED + self._note(why)
        cells = self.tables.setdefault(title, {}).setdefault(row, {})
        if not cells.get(column, "").startswith(FAILED):
            cells[column] = cell

    def _note(self, why: str) -> str:
        if not why:
            return ""
        if why not in self.notes:
            self.notes.append(why)
        return f"[{self.notes.index(why) + 1}]"

    def lines(self) -> list[str]:
        """Return the tables and their notes as Markdown, which reads well on a terminal too."""
        lines: list[str] = []
        for title, rows in self.tables.items():
            columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
            table = [["peer", "transport", "security", *columns]]
            for row, cells in rows.items():
                table.append([*row, *(cells.get(column, "") for column in columns)])
            widths = [max(len(line[index]) for line in table) for index in range(len(table[0]))]
            lines += [title, ""]
            for number, line in enumerate(table):
                lines.append(
                    "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
                )
                if number == 0:
                    lines.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
            lines.append("")
        if self.tables:
            lines += [
                "ok: done, the values agree; -: the peer has no such thing; peer: the peer is wrong; blank: not tried"
            ]
        return lines + [f"[{number}] {why}" for number, why in enumerate(self.notes, 1)]

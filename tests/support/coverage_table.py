"""Print the coverage of some rooms as a table: ``coverage_table.py REPORT.json LEAST ROOM...``; fail under LEAST %."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def table(report: dict[str, Any], least: float, rooms: list[str]) -> tuple[list[str], bool]:
    """Return the lines of the table, and whether every room has `least` per cent of its lines and its branches."""
    text = [f"{'room':14}{'lines':>8}{'%':>9}{'branches':>10}{'%':>9}"]
    enough = True
    for room in rooms:
        mine = {path: each for path, each in report["files"].items() if f"/cosem/{room}/" in f"/{path}"}
        shares = []
        for whole, covered in (("num_statements", "covered_lines"), ("num_branches", "covered_branches")):
            total = sum(each["summary"][whole] for each in mine.values())
            shares.append(
                (total, 100 * sum(each["summary"][covered] for each in mine.values()) / total if total else 0)
            )
        enough = enough and all(share >= least for _, share in shares)
        text.append(f"{room:14}{shares[0][0]:8}{shares[0][1]:9.2f}{shares[1][0]:10}{shares[1][1]:9.2f}")
        text += [
            f"    {Path(path).name}: lines {each['missing_lines']}, branches {each['missing_branches']}"
            for path, each in mine.items()
            if each["missing_lines"] or each["missing_branches"]
        ]
    return text, enough


def main() -> int:
    """Print the table of a report that coverage wrote."""
    path, least, *rooms = sys.argv[1:]
    text, enough = table(json.loads(Path(path).read_text(encoding="utf-8")), float(least), rooms)
    print("\n".join(text))
    if not enough:
        print(f"less than {least} % somewhere")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())

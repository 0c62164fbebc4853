"""The table as Markdown: a line for each step and fault, a column for each time."""

from collections.abc import Iterable
from pathlib import Path

from storage.cells import DURATIONS, Cell, cells
from storage.lives import Outcome

BEGIN, END = "<!-- faults: made by `make faults` -->\n", "<!-- faults: end -->\n"


def table(found: Iterable[tuple[Cell, Outcome]], file: Path) -> None:
    """Put it between the marks of the file."""
    outcomes = dict(found)
    lines = ["| | step | fault | " + " | ".join(f"{d} | killed" for d in DURATIONS) + " |", "|" + "---|" * 9]
    rows: dict[tuple[str, str, str], list[str]] = {}
    for cell in cells():
        rows.setdefault((cell.backend, cell.step.name, cell.fault), []).append(_short(cell, outcomes.get(cell)))
    lines += [f"| {' | '.join((*row, *told))} |" for row, told in rows.items() if set(told) != {"-"}]
    text = file.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    file.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n\n{END}{after}")


def _short(cell: Cell, outcome: Outcome | None) -> str:
    if cell.cannot:
        return "-"
    if outcome is None:
        return "not run"
    if outcome.faults:
        return "**failed**"
    return f"{'stopped, ' if outcome.stopped else ''}{outcome.seconds:.1f}"

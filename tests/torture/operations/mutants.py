"""One-line mutants of what operations rest on: each breaks a promise, and torture has to see that."""

from collections.abc import Sequence

from model.mutants import Mutant

CHANGE = "streamlake.engine.operations.generation_change"

OUT = """\
    for run in [*lineage.backfills, *before, *lineage.adopted_before(newest)]:
        _move(keeper, lineage, run)
"""
IN = """\
    for run in lineage.runs:
        if run.run == newest.adopts:
            _move(keeper, lineage, run)
"""

OPERATIONS_MUTANTS: Sequence[Mutant] = (
    Mutant(
        "the replay's files move in before the superseded ones move out",
        CHANGE,
        OUT + IN,
        IN + OUT,
    ),
    Mutant(
        "no final close",
        CHANGE,
        "        close_for_good(keeper, lineage, run, senders)\n",
        "        pass\n",
    ),
    Mutant(
        "a worker does not ask whether its generation still lives",
        "streamlake.engine.worker_main",
        "if number_of(run) is not None and sink.find_run(next_name(run)) is not None:",
        "if False:",
    ),
    Mutant(
        "an engine does not finish a change that was begun",
        "streamlake.engine.assembly",
        "if finish(sink, senders_of(config)):",
        "if False:",
    ),
)

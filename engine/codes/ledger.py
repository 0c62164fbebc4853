"""Codes SL05..: the root's ledger, and who owns what."""

from streamlake.engine.codes.base import Code

TITLE = "Ledger and ownership"
WHO = "whoever operates the pipeline"

DAMAGED = Code(
    "SL0501",
    "a ledger entry is damaged",
    "An entry, a segment or a run file is cut short, altered or missing in the middle. The partition is parked.",
    "`streamlake prove` says all that is wrong. Put the file back from a copy or a snapshot; "
    "docs/operations/recover.md goes through it.",
)
UNKNOWN_VERSION = Code(
    "SL0502",
    "the ledger is of a newer StreamLake",
    "A file is of a version that this StreamLake does not know.",
    "Install the StreamLake that wrote it, or a newer one.",
)
FILE_DAMAGED = Code(
    "SL0503",
    "a committed file is damaged",
    "A file's bytes, checksum, rows or format are not what its ledger entry says.",
    "Put it back from a copy, or land its offsets again: docs/operations/recover.md.",
)
FILE_GONE = Code(
    "SL0504",
    "a committed file is gone",
    "Neither the final nor the staged name of a committed file is there: somebody deleted it.",
    "`streamlake prove` names each. Put it back, or land its offsets again: docs/operations/recover.md.",
)
FOREIGN_ROOT = Code(
    "SL0505",
    "the root belongs to somebody else",
    "`_runs/` below `sink.root` names another pipeline, group, cluster or topic. Nothing was claimed or written.",
    "Give this pipeline a root of its own, or mend `pipeline`, `kafka.group_id` or `kafka.bootstrap_servers`.",
)
RUN_DELETED = Code(
    "SL0506",
    "the run's name is used up",
    "A run of that name was deleted; a worker of it that wakes up late must not meet a new run.",
    "Choose another name.",
)
FENCED = Code(
    "SL0507",
    "another writer has taken the partition",
    "Another engine or command appended to the ledger. Nothing of this worker was committed since, and nothing is "
    "lost.",
    "Nothing, if the group moved the partition. Again and again, it means two engines with different groups on one "
    "root.",
)
SUPERSEDED = Code(
    "SL0508",
    "a new generation goes on",
    "The live run was superseded by `offsets reset` or `replay promote`, or lands what a backfill was to land.",
    "Nothing: `run` goes on as the new generation by itself. A backfill that was overtaken has nothing left to do.",
)
MISSING_AT_PUBLISH = Code(
    "SL0509",
    "a committed file was gone when it was to be published",
    "Its entry stands in the ledger, and neither its staged nor its final name is there. The engine goes on; `prove` "
    "reports it.",
    "`streamlake prove` names it; land its offsets again: docs/operations/recover.md. Is there a clean-up job or a "
    "lifecycle rule on `_stage`?",
    event="committed, but the file is gone",
)
MISSING_AT_MOVE = Code(
    "SL0510",
    "files of a superseded run are gone",
    "They were to be moved to `superseded/` or `raw/`, and are not there.",
    "`streamlake prove` names each; docs/operations/recover.md says what can be done.",
    event="files are gone and were not moved",
)
NOT_FOLDED = Code(
    "SL0511",
    "old ledger entries are not folded",
    "A thousand old entries were to become one file, and one of them can't be read or deleted. New records land all "
    "the same.",
    "`streamlake prove` says whether an entry is damaged; the next worker folds again.",
    event="old ledger entries are not folded",
)

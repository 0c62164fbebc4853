"""Codes SL04..: where the files land."""

from streamlake.engine.codes.base import Code

TITLE = "Storage"
WHO = "whoever runs the disk or the bucket"

FAILED = Code(
    "SL0401",
    "the storage failed",
    "A call failed in a way that has no code of its own here. The message has the path and the system's own words.",
    "The engine tries again by itself. Whatever was staged and not committed is collected by the next worker.",
)
ACCESS = Code(
    "SL0402",
    "the storage refuses who we are, or what we want",
    "The credentials are not taken, or the user or account may not read, write, list or delete below `sink.root`.",
    "Give the right that the message names (docs/gcs.md lists those of a bucket), then send SIGHUP or start again.",
)
DISK_FULL = Code(
    "SL0403",
    "the disk is full, or a quota is used up",
    "There is no room below `sink.root` for what is to be staged or claimed. What is committed is untouched. Workers "
    "wait, and try again with growing pauses; it is said once for all partitions of a host, with the path and the "
    "bytes that are free.",
    "Free space or raise the quota: the engine goes on by itself. With `--until-end` a partition is parked after five "
    "minutes, and the command ends with 1: start it again.",
    event="the disk is full, waiting",
)
BROKEN = Code(
    "SL0404",
    "the disk reports a fault",
    "The operating system answers a read, a write or an fsync with an I/O error. An fsync that failed is never tried "
    "again on the same file: the batch is read anew.",
    "Look at the kernel's log and the disk's health (`dmesg`, `smartctl`); then `streamlake prove`.",
)
OTHER_BYTES = Code(
    "SL0405",
    "other bytes stand under a committed name",
    "A file below `raw/` or `dead/` is not the one that its ledger entry describes: somebody else wrote it.",
    "Find out who, move it away, then send SIGHUP. Nothing was overwritten.",
)
NO_ANSWER = Code(
    "SL0406",
    "the storage gave no answer in time",
    "The bucket or the network was away for longer than `sink.gcs.retry_seconds_max`. What was asked may have been "
    "done.",
    "Nothing is lost or twice: the next worker finds out. Check the network and the storage's status page if it stays.",
)
ROOT_GONE = Code(
    "SL0407",
    "the root is gone, or is another folder than before",
    "`sink.root` was deleted, replaced or unmounted while the engine was at work. Nothing was written to it since.",
    "Mount it again or put it back, and all goes on.",
)
NOT_EXCLUSIVE = Code(
    "SL0408",
    "the storage lets two writers write one name",
    "It does not heed the precondition that makes a commit happen once, or reads and lists something else than was "
    "written.",
    "Use another storage: nothing can land on this one exactly once.",
)
NOT_AS_WRITTEN = Code(
    "SL0409",
    "the storage does not hold what was written",
    "Size or checksum of a staged file differ from what was sent. Nothing was committed of it.",
    "Nothing, if it is rare: the batch is read again. Else look for a faulty disk, or a proxy that changes bodies.",
)
WAITING = Code(
    "SL0421",
    "the storage does not answer, and is waited for",
    "A request failed in a way that may pass (a time-out, 429, 5xx). It is repeated until "
    "`sink.gcs.retry_seconds_max`.",
    "Nothing: a line says when it answers again. Reading pauses meanwhile, and Kafka keeps what comes.",
    event="the storage does not answer, waiting",
)
TOKEN = Code(
    "SL0422",
    "the bucket's token could not be renewed yet",
    "Whoever gives credentials does not answer. The old token still lasts and is used.",
    "Check the metadata server or the network to it before the token is over, which is within the hour.",
    event="the token could not be renewed yet, and still lasts",
)

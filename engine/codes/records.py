"""Codes SL06..: records and what checks them."""

from streamlake.engine.codes.base import Code

TITLE = "Records and validator"
WHO = "whoever produces them, or wrote the schema"

BREAKER_IN_A_ROW = Code(
    "SL0601",
    "too many records were refused in a row",
    "`dead_letters.breaker.consecutive_max` was passed: most likely a producer or the schema changed. Nothing of the "
    "batch was landed or refused; the partition is parked before the topic drains into the dead letters.",
    "`streamlake dry-run`, as the message has it, shows the records and their reasons. Mend the producer, the "
    "validator or the limit, then send SIGHUP or restart.",
)
BREAKER_RATIO = Code(
    "SL0602",
    "too large a share of the records was refused",
    "More than `dead_letters.breaker.ratio_max` of the last `window_rows` records were refused. Nothing of the batch "
    "was landed or refused; the partition is parked.",
    "As for SL0601: look with `streamlake dry-run`, mend, then send SIGHUP or restart.",
)
VALIDATOR = Code(
    "SL0603",
    "the validator can't be made, or answers nonsense",
    "It fails to start, or gives an answer that is no verdict over the batch (an index twice, columns that change). "
    "No record is refused for it; the partition is parked.",
    "Mend the model, the schema or the plugin that the message names, then send SIGHUP.",
)
ISOLATION = Code(
    "SL0604",
    "the process in which the validator was to be tried died",
    "It ended before the validator was made: memory is short, or the host kills processes.",
    "Nothing, if it is rare: it is tried again. Else give the host memory.",
)
BISECTING = Code(
    "SL0605",
    "the validator failed on a batch",
    "It raised something, so the batch is validated again in small parts, in processes of their own: a record that "
    "breaks it is refused as `crash`, the others are decided as ever. The line has what was raised, and where; its "
    "words, which may quote the record, stand in the dead letter.",
    "`streamlake dead list --reason crash` shows the record; mend the validator.",
    event="validator failed, bisecting",
)

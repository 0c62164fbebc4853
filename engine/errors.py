"""Every error of StreamLake on one page, sorted by who acts on it, with the exit code each ends in.

A message says what was wrong, the value, and what to do. Nothing but these reaches the user; a foreign library's
exceptions stop in the module that talks to it.
"""

from enum import IntEnum

from streamlake.engine.codes.base import Code
from streamlake.engine.codes.configuration import BAD
from streamlake.engine.codes.edge import REFUSED
from streamlake.engine.codes.kafka import DEAD_LETTERS, NOT_GIVEN, POSITION_GONE
from streamlake.engine.codes.ledger import DAMAGED, FENCED, FILE_DAMAGED, FOREIGN_ROOT, SUPERSEDED
from streamlake.engine.codes.processes import NO_ENGINE, ORPHANED
from streamlake.engine.codes.records import BREAKER_IN_A_ROW, ISOLATION, VALIDATOR
from streamlake.engine.codes.storage import ACCESS, FAILED
from streamlake.engine.codes.usage import DUCKDB, GROUP_ACTIVE, LOCAL_SERVER, MEANINGLESS


class Exit(IntEnum):
    """Exit codes of the commands (DESIGN §11) and, from 64 on, why a worker process ended (named in logs)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    FENCED = 64
    STORAGE = 65
    SOURCE = 66
    DEAD_LETTERS = 67
    LEDGER = 68
    BREAKER = 69
    ORPHANED = 70
    CRASHED = 71
    VALIDATOR = 72
    SUPERSEDED = 73
    BAD_CONFIG = 78
    INTERRUPTED = 130
    NO_READER = 141

    @property
    def of_command(self) -> "Exit":
        """What a command ends with where a worker would end with this one."""
        return Exit.FAILED if Exit.FENCED <= self <= Exit.SUPERSEDED else self


class StreamLakeError(Exception):
    """Base of all: `exit_code` is what the process ends with.

    `code` is the class's, or a finer one that is given where it is raised.
    """

    exit_code: Exit = Exit.FAILED
    parks: bool = False
    """True when trying again can't help before a person has acted: the partition is parked at once."""
    code: Code

    def __init__(self, *words: object, code: Code | None = None) -> None:
        super().__init__(*words)
        self.code = code or type(self).code


# The user's to mend, before anything is claimed or written ----------------------------------------------------


class ConfigError(StreamLakeError):
    """The YAML, a variable, a plugin's option or a model can't be used. `problems` holds one sentence each."""

    code = BAD
    exit_code = Exit.BAD_CONFIG
    parks = True

    def __init__(self, *problems: str, code: Code | None = None) -> None:
        super().__init__("\n".join(problems), code=code)
        self.problems = problems


class ForeignRootError(StreamLakeError):
    """The root belongs to another pipeline, group, cluster or topic."""

    code = FOREIGN_ROOT
    exit_code = Exit.BAD_CONFIG
    parks = True


class UsageError(StreamLakeError):
    """A command was called in a way that can't mean anything."""

    code = MEANINGLESS
    exit_code = Exit.USAGE


class GroupActiveError(StreamLakeError):
    """The consumer group has members: what an operator wants to move is in use."""

    code = GROUP_ACTIVE


class EdgeError(StreamLakeError):
    """The HTTP edge refuses requests as they are sent: the key, the address or the form has to be mended first."""

    code = REFUSED


class NoEngineError(StreamLakeError):
    """No engine answers where one was looked for."""

    code = NO_ENGINE


class QualityError(StreamLakeError):
    """DuckDB can't do what the checks of quality need: disk or memory is short."""

    code = DUCKDB


class LocalError(StreamLakeError):
    """A local server could not be fetched or started."""

    code = LOCAL_SERVER


# A partition's: it ends the worker, others go on --------------------------------------------------------------


class FencedError(StreamLakeError):
    """Another writer has taken the partition. Nothing of this worker's was or will be committed."""

    code = FENCED
    exit_code = Exit.FENCED


class SupersededError(StreamLakeError):
    """The run's ledger has ended for good: a new live generation goes on, and this engine has to begin anew as that."""

    code = SUPERSEDED
    exit_code = Exit.SUPERSEDED
    parks = True


class StorageError(StreamLakeError):
    """The storage refused, timed out or lied; whatever was staged is collected by the next claim."""

    code = FAILED
    exit_code = Exit.STORAGE


class StorageAccessError(StorageError):
    """The storage refuses who we are, or what we want to do: a person has to give the right."""

    code = ACCESS
    parks = True


class SourceError(StreamLakeError):
    """Kafka can't give what comes next: expired, truncated, recreated, forbidden."""

    code = NOT_GIVEN
    exit_code = Exit.SOURCE


class PositionLostError(SourceError):
    """What comes next is gone or is not the topic we know: a person decides (`gap`, a new generation)."""

    code = POSITION_GONE
    parks = True


class DeadLetterError(StreamLakeError):
    """A dead letter could not be sent: the partition stops rather than lose it."""

    code = DEAD_LETTERS
    exit_code = Exit.DEAD_LETTERS


class BreakerError(StreamLakeError):
    """Too many refused in a row or by ratio: parked before a topic drains into the dead letters."""

    code = BREAKER_IN_A_ROW
    exit_code = Exit.BREAKER
    parks = True


class ValidatorError(StreamLakeError):
    """The validator can't be made, or answers what no verdict can be: no record's fault, so none is refused for it."""

    code = VALIDATOR
    exit_code = Exit.VALIDATOR
    parks = True


class IsolationError(StreamLakeError):
    """A process in which the validator was to be tried died or did nothing before it was made: that is tried again."""

    code = ISOLATION
    exit_code = Exit.VALIDATOR


class LedgerDamagedError(StreamLakeError):
    """A ledger entry is cut short, altered, missing in the middle or of an unknown version. Names the path."""

    code = DAMAGED
    exit_code = Exit.LEDGER
    parks = True


class FileDamagedError(StreamLakeError):
    """A committed file can't be read as what its entry says it is. Names the path."""

    code = FILE_DAMAGED
    exit_code = Exit.LEDGER
    parks = True


class OrphanedError(StreamLakeError):
    """The supervisor is gone: a worker does not outlive it."""

    code = ORPHANED
    exit_code = Exit.ORPHANED

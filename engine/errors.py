"""Every error of StreamLake on one page, sorted by who acts on it, with the exit code each ends in.

A message says what was wrong, the value, and what to do. Nothing but these reaches the user; a foreign library's
exceptions stop in the module that talks to it.
"""

from enum import IntEnum


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
    BAD_CONFIG = 78
    INTERRUPTED = 130

    @property
    def of_command(self) -> "Exit":
        """What a command ends with where a worker would end with this one."""
        return Exit.FAILED if Exit.FENCED <= self <= Exit.VALIDATOR else self


class StreamLakeError(Exception):
    """Base of all: `exit_code` is what the process ends with."""

    exit_code: Exit = Exit.FAILED
    parks: bool = False
    """True when trying again can't help before a person has acted: the partition is parked at once."""


# The user's to mend, before anything is claimed or written ----------------------------------------------------


class ConfigError(StreamLakeError):
    """The YAML, a variable, a plugin's option or a model can't be used. `problems` holds one sentence each."""

    exit_code = Exit.BAD_CONFIG
    parks = True

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ForeignRootError(StreamLakeError):
    """The root belongs to another pipeline, group, cluster or topic."""

    exit_code = Exit.BAD_CONFIG
    parks = True


class UsageError(StreamLakeError):
    """A command was called in a way that can't mean anything."""

    exit_code = Exit.USAGE


class EdgeError(StreamLakeError):
    """The HTTP edge refuses requests as they are sent: the key, the address or the form has to be mended first."""


class LocalError(StreamLakeError):
    """A local server could not be fetched or started."""


# A partition's: it ends the worker, others go on --------------------------------------------------------------


class FencedError(StreamLakeError):
    """Another writer has taken the partition. Nothing of this worker's was or will be committed."""

    exit_code = Exit.FENCED


class StorageError(StreamLakeError):
    """The storage refused, timed out or lied; whatever was staged is collected by the next claim."""

    exit_code = Exit.STORAGE


class StorageAccessError(StorageError):
    """The storage refuses who we are, or what we want to do: a person has to give the right."""

    parks = True


class SourceError(StreamLakeError):
    """Kafka can't give what comes next: expired, truncated, recreated, forbidden."""

    exit_code = Exit.SOURCE


class PositionLostError(SourceError):
    """What comes next is gone or is not the topic we know: a person decides (`gap`, a new generation)."""

    parks = True


class DeadLetterError(StreamLakeError):
    """A dead letter could not be sent: the partition stops rather than lose it."""

    exit_code = Exit.DEAD_LETTERS


class BreakerError(StreamLakeError):
    """Too many refused in a row or by ratio: parked before a topic drains into the dead letters."""

    exit_code = Exit.BREAKER
    parks = True


class ValidatorError(StreamLakeError):
    """The validator can't be made, or answers what no verdict can be: no record's fault, so none is refused for it."""

    exit_code = Exit.VALIDATOR
    parks = True


class IsolationError(StreamLakeError):
    """A process in which the validator was to be tried died or did nothing before it was made: that is tried again."""

    exit_code = Exit.VALIDATOR


class LedgerDamagedError(StreamLakeError):
    """A ledger entry is cut short, altered, missing in the middle or of an unknown version. Names the path."""

    exit_code = Exit.LEDGER
    parks = True


class FileDamagedError(StreamLakeError):
    """A committed file can't be read as what its entry says it is. Names the path."""

    exit_code = Exit.LEDGER
    parks = True


class OrphanedError(StreamLakeError):
    """The supervisor is gone: a worker does not outlive it."""

    exit_code = Exit.ORPHANED

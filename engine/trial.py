"""Makes a validator in a process of its own, as a worker would: what this process has imported once stays as it was."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from streamlake.engine.errors import ConfigError
from streamlake.engine.nameless import nameless_main
from streamlake.engine.orphan import die_with_the_parent

TRIAL_SECONDS_MAX = 60.0


class Trial:
    """Begins when it is made; nobody waits for it. Whoever does not want to know any more has to `drop` it.

    Raises ConfigError where the process can't be started.
    """

    def __init__(
        self, make: Callable[[], object], seconds_max: float = TRIAL_SECONDS_MAX, setting: str = "validator"
    ) -> None:
        """`make` is what is tried (pickled: a plain function), and raises ConfigError where something is wrong.

        `setting` is what stands before a problem that `make` itself could not say.
        """
        self._setting = setting
        context = multiprocessing.get_context("forkserver")
        self._ours, theirs = context.Pipe(duplex=False)
        self._child = context.Process(target=_try, args=(theirs, make, setting), name="trial")
        self._seconds_max, self._ends_at = seconds_max, time.monotonic() + seconds_max
        try:
            with nameless_main():
                self._child.start()
        except (EOFError, OSError) as error:  # the forkserver died just now: the next start makes another one
            self._ours.close()
            raise ConfigError(f"{setting}: could not be tried ({type(error).__name__}: {error}); try again") from None
        finally:
            theirs.close()

    def wait(self) -> None:
        """Until it is known. Raises ConfigError, with why it can't be made."""
        try:
            while not self.passed(1.0):
                pass
        finally:  # a Ctrl-C, too
            self.drop()

    def passed(self, seconds: float = 0.0) -> bool:
        """Whether it could be made, waiting so long for it; False while that is not known.

        Raises ConfigError, with why not.
        """
        if not self._ours.poll(seconds):
            if time.monotonic() < self._ends_at:
                return False
            self.drop()
            raise ConfigError(f"{self._setting}: to make it took more than {self._seconds_max:g} s")
        try:
            problems: Sequence[str] = self._ours.recv()
        except (EOFError, ConnectionResetError):
            self._child.join()
            problems = [f"{self._setting}: to make it ended its process (exit code {self._child.exitcode})"]
        self.drop()
        if problems:
            raise ConfigError(*problems)
        return True

    def drop(self) -> None:
        """End it."""
        self._child.kill()
        self._child.join()
        self._ours.close()


def _try(pipe: Connection, make: Callable[[], object], setting: str) -> None:
    die_with_the_parent()
    problems: Sequence[str] = ()
    try:
        make()
    except ConfigError as error:
        problems = error.problems
    except BaseException as error:  # noqa: BLE001  (a plugin may raise anything, SystemExit too; it is the answer)
        problems = [f"{setting}: it can't be made: {type(error).__name__}: {error}"]
    pipe.send(problems)

"""What a command that failed says last: a sentence with its code, or where standard error is a log, one line of it."""

import io
import os
from traceback import print_exception, walk_tb

import click

from streamlake.engine.codes.base import Code
from streamlake.engine.codes.processes import UNEXPECTED
from streamlake.engine.codes.usage import OPTIONS, OUTPUT
from streamlake.engine.errors import ConfigError, Exit, StreamLakeError

_in_the_log = False


def last_word_in_the_log(*, wanted: bool) -> None:
    """Whether what is said last is a JSON line: where a collector reads standard error, it could read nothing else."""
    global _in_the_log  # noqa: PLW0603  (one process runs one command)
    _in_the_log = wanted


def say_last(error: Exception) -> int:
    """Say what the command ends with; its exit code."""
    if isinstance(error, click.ClickException):
        return _say_usage(error)
    return _say_known(error) if isinstance(error, StreamLakeError) else _say_unknown(error)


def _say_usage(error: click.ClickException) -> int:
    """As click does, with our code at the end. Help that was shown for want of words is no error."""
    said = io.StringIO()
    error.show(said)
    code = "" if isinstance(error, click.exceptions.NoArgsIsHelpError) else f" [{OPTIONS}]"
    click.echo(f"{said.getvalue().rstrip()}{code}", err=True)
    return error.exit_code


def _say_known(error: StreamLakeError) -> Exit:
    """What the error says, each problem of a configuration with its code behind it."""
    problems = error.problems if isinstance(error, ConfigError) else (str(error),)
    text = "\n".join(_coded(problem, error.code) for problem in problems)
    return _say(error, text, str(error), error.code, error.exit_code.of_command)


def _say_unknown(error: Exception) -> Exit:
    """An error that nobody has thought of, or that standard output can't be written."""
    if isinstance(error, OSError) and _is_of_the_output(error):
        said = f"could not write to standard output: {(error.strerror or str(error)).lower()}"
        return _say(error, _coded(said, OUTPUT), said, OUTPUT, Exit.FAILED)
    said = f"unexpected {type(error).__name__}: {error}"
    hint = "this is a bug of StreamLake or of a plugin; STREAMLAKE_DEBUG=1 shows where"
    return _say(error, _coded(f"{said} ({hint})", UNEXPECTED), said, UNEXPECTED, Exit.FAILED)


def _is_of_the_output(error: OSError) -> bool:
    """Whether it was raised where commands print: it names no file, so where it comes from has to tell."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return frames[-1].f_globals["__name__"] in ("click.utils", "rich.console")


def _say(error: BaseException, text: str, why: str, code: Code, exit_code: Exit) -> Exit:
    traceback = os.environ.get("STREAMLAKE_DEBUG") == "1"
    if _in_the_log:
        import structlog  # noqa: PLC0415  # heavy; a command that logs has it

        log = structlog.get_logger("streamlake.command")
        log.error(
            "the command failed",
            why=why,
            hint=code.cure,
            exit_code=int(exit_code),
            code=code.number,
            exc_info=error if traceback else None,
        )
        return exit_code
    if traceback:
        print_exception(error)
    click.echo(text, err=True)
    return exit_code


def _coded(text: str, code: Code) -> str:
    """The text, with the code at the end of its first line: what follows is another program's, as a log's end."""
    first, *others = text.split("\n")
    return "\n".join([f"{first} [{code}]", *others])

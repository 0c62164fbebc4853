"""Makes the edge once in a process of its own: the server's must not hold a user's modules, which change."""

import json
import os
import select
import signal
import time
from contextlib import suppress
from typing import Any, NoReturn

from uvicorn.config import create_ssl_context

from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import ConfigError

CHECK_SECONDS = 60.0
"""How long making the edge once may take."""


class Check:
    """Begins when it is made. Whoever does not want to know any more has to `drop` it.

    gunicorn may reap the process before we do: so what it says counts, and not its exit code.
    """

    def __init__(self, config: PipelineConfig, cfg: Any) -> None:
        """`cfg` are gunicorn's settings, of which the certificate is looked at: a worker can't begin without it."""
        self._pipe, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            _make(config, cfg, theirs)
        os.close(theirs)
        self._child = os.pidfd_open(child)  # its number may be another's once it is reaped
        self._ends_at = time.monotonic() + CHECK_SECONDS

    def passed(self, seconds: float = 0.0) -> bool:
        """Whether it could be made, waiting so long for it; False while that is not known. Raises ConfigError."""
        answered, _, _ = select.select([self._pipe], [], [], seconds)
        if not answered:
            if time.monotonic() < self._ends_at:
                return False
            self.drop()
            raise ConfigError(f"http: the edge can't be made: that took more than {CHECK_SECONDS:g} s")
        with open(self._pipe, "rb", closefd=False) as pipe:
            said = pipe.read()
        self.drop()
        problems = json.loads(said) if said else ["http: making the edge ended its process"]
        if problems:
            raise ConfigError(*problems)
        return True

    def drop(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._child, os.WEXITED)
        os.close(self._child)
        os.close(self._pipe)


def check(config: PipelineConfig, cfg: Any) -> None:
    """As `Check`, and wait for it. Raises ConfigError with what was wrong."""
    trial = Check(config, cfg)
    while not trial.passed(1.0):
        pass


def _make(config: PipelineConfig, cfg: Any, pipe: int) -> NoReturn:
    """In the child: say what is wrong as JSON, an empty list for nothing, and end."""
    from streamlake.http_edge import application  # noqa: PLC0415  # after PROMETHEUS_MULTIPROC_DIR is set

    # Not for ever, should the server be killed meanwhile: it would hold the sockets.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 2 * CHECK_SECONDS)
    problems: tuple[str, ...] = ()
    try:
        application.make_app(config).edge.check()
        _check_certificate(cfg)
    except ConfigError as error:
        problems = error.problems
    except BaseException as error:  # noqa: BLE001  (a user's module may raise anything; it is the answer)
        problems = (f"http: the edge can't be made: {type(error).__name__}: {error}",)
    finally:
        with suppress(OSError):  # nobody is there
            os.write(pipe, json.dumps(problems).encode())
        os._exit(0)


def _check_certificate(cfg: Any) -> None:
    """As uvicorn reads it in a worker."""
    if not cfg.is_ssl:
        return
    given = cfg.ssl_options
    try:
        create_ssl_context(
            given["certfile"],
            given["keyfile"],
            given.get("password"),
            given["ssl_version"],
            given["cert_reqs"],
            given["ca_certs"],
            given["ciphers"],
        )
    except (OSError, ValueError) as error:
        files = f"--certfile {given['certfile']} --keyfile {given['keyfile']}"
        raise ConfigError(f"gunicorn's {files}: can't be used: {error}") from None

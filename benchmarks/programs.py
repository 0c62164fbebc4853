"""What programs that measure begin and end with: a Kafka, words on standard error, an exit code."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from streamlake.engine.errors import LocalError
from streamlake.engine.local.kafka import LocalKafka


@contextmanager
def kafka(say: Callable[[str], None]) -> Iterator[str]:
    """The servers of the one that KAFKA_BOOTSTRAP_SERVERS names, or of one of our own.

    Our own has the JVM's full compiler, for it works for minutes.
    """
    existing = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if existing:
        yield existing
        return
    own = LocalKafka(quick_start=False, say=say)
    own.start()
    try:
        yield own.bootstrap_servers
    finally:
        own.stop()


def saying(program: str) -> Callable[[str], None]:
    """Tells on standard error what is being done."""
    return lambda text: print(f"{program}: {text}", file=sys.stderr, flush=True)


def finish(main: Callable[[], int]) -> NoReturn:
    """Run the program; a server that can't be had is a sentence."""
    try:
        sys.exit(main())
    except LocalError as error:
        sys.exit(str(error))

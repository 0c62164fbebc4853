"""A small Google Cloud Storage for tests, in this process (`GcsServer`) or as one of its own.

python -m support.gcs_server [--port PORT] [--folder FOLDER] [--bucket NAME …] [--token TOKEN …] [--discard]

(with `tests` on PYTHONPATH) prints its endpoint and runs until SIGTERM or SIGINT.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from support.gcs.access import Grant, Rules
from support.gcs.server import GcsServer

__all__ = ["GcsServer", "Grant", "Rules", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal says that it is enough."""
    parser = argparse.ArgumentParser(prog="support.gcs_server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--bucket", action="append", dest="buckets")
    parser.add_argument("--token", action="append", dest="tokens")
    parser.add_argument("--discard", action="store_true")
    said = parser.parse_args(arguments)
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    buckets = said.buckets or ["streamlake"]
    with GcsServer(said.port, folder=said.folder, discard=said.discard, tokens=said.tokens, buckets=buckets) as server:
        print(server.endpoint, flush=True)
        signal.sigwait(signals)
    return 0


if __name__ == "__main__":
    sys.exit(main())

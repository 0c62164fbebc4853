"""`streamlake local kafka`: a real Kafka in the foreground, until Ctrl-C."""

import signal
import sys
import time
from pathlib import Path

from streamlake.engine.errors import Exit
from streamlake.engine.local.kafka import LocalKafka
from streamlake.engine.local.lock import read_lock

CHECK_SECONDS = 0.5

READY = """\
Apache Kafka {version} is ready: {nodes} at {bootstrap_servers}
Its data {data_fate}; its log is {log_path}

In another terminal:
  export KAFKA_BOOTSTRAP_SERVERS={bootstrap_servers}
  streamlake topics apply config/examples/orders.yaml
  streamlake produce config/examples/orders.yaml --generate orders --records 10000 --broken 0.4%

Ctrl-C stops it.
"""


def run_kafka(nodes: int = 1, port: int | None = None, data_dir: Path | None = None) -> int:
    """Runs a Kafka of 1 or 3 nodes until SIGINT or SIGTERM, and gives 0: being stopped is its normal end.

    Standard output gets the address and first commands to try. A second signal doesn't wait for an orderly stop. Raises
    LocalError, with the end of the log, when a node doesn't start or ends by itself. Main thread only (signals).
    """
    # Both signals as KeyboardInterrupt: it ends a start half-way just as well, and LocalKafka cleans up on any way out.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with LocalKafka(nodes, port=port, data_dir=data_dir, say=_say) as kafka:
            sys.stdout.write(_ready_text(kafka, nodes, data_dir))
            sys.stdout.flush()
            while True:
                kafka.check()
                time.sleep(CHECK_SECONDS)
    except KeyboardInterrupt:
        _say("stopped")
        return Exit.DONE
    finally:
        signal.signal(signal.SIGTERM, before)


def _ready_text(kafka: LocalKafka, nodes: int, data_dir: Path | None) -> str:
    return READY.format(
        version=next(jar.version for jar in read_lock() if jar.artifact == "kafka_2.13"),
        nodes="1 node" if nodes == 1 else f"{nodes} nodes",
        bootstrap_servers=kafka.bootstrap_servers,
        data_fate=f"stays in {data_dir}" if data_dir else "goes when it stops (--data-dir keeps it)",
        log_path=kafka.log_path(),
    )


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")

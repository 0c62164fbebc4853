"""`streamlake local …`: a real server in the foreground, until Ctrl-C."""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from streamlake.engine.errors import Exit, LocalError
from streamlake.engine.local.airflow import LocalAirflow
from streamlake.engine.local.gcs import BUCKET, LocalGcs
from streamlake.engine.local.kafka import LocalKafka
from streamlake.engine.local.lock import read_lock

CHECK_SECONDS = 0.5

AIRFLOW_READY = """\
Apache Airflow is ready at {url}, with the DAGs of {dags}
Its data {data_fate}; its logs are in {folder}

Ctrl-C stops it.
"""

KAFKA_READY = """\
Apache Kafka {version} is ready: {nodes} at {bootstrap_servers}
Its data {data_fate}; its log is {log_path}

In another terminal:
  export KAFKA_BOOTSTRAP_SERVERS={bootstrap_servers}
  streamlake topics apply config/examples/orders.yaml
  streamlake produce config/examples/orders.yaml --generate orders --records 10000 --broken 0.4%

Ctrl-C stops it.
"""

GCS_READY = """\
fake-gcs-server is ready: {buckets} at {endpoint}
Its data {data_fate}; its log is {log_path}

In another terminal, with a Kafka (streamlake local kafka) and its topics:
  export STORAGE_EMULATOR_HOST={endpoint}
  streamlake run config/examples/orders.yaml --until-end --set sink.root=gs://{bucket}/lake
  streamlake prove config/examples/orders.yaml --set sink.root=gs://{bucket}/lake

Ctrl-C stops it.
"""


class _Server(Protocol):
    def check(self) -> None:
        """Raises LocalError when it has ended by itself."""


S = TypeVar("S", bound=_Server)


def run_kafka(nodes: int = 1, port: int | None = None, data_dir: Path | None = None) -> int:
    """Runs a Kafka of 1 or 3 nodes until SIGINT or SIGTERM, and gives 0: being stopped is its normal end.

    Standard output gets the address and first commands to try. A second signal doesn't wait for an orderly stop. Raises
    LocalError, with the end of the log, when a node doesn't start or ends by itself. Main thread only (signals).
    """

    def ready(kafka: LocalKafka) -> str:
        return KAFKA_READY.format(
            version=next(jar.version for jar in read_lock() if jar.artifact == "kafka_2.13"),
            nodes="1 node" if nodes == 1 else f"{nodes} nodes",
            bootstrap_servers=kafka.bootstrap_servers,
            data_fate=_data_fate(data_dir),
            log_path=kafka.log_path(),
        )

    return _run(lambda: LocalKafka(nodes, port=port, data_dir=data_dir, say=_say), ready)


def run_gcs(port: int | None = None, data_dir: Path | None = None, buckets: Sequence[str] = ()) -> int:
    """Runs a fake-gcs-server with these buckets (none: `streamlake`), the rest as `run_kafka` has it."""
    wanted = buckets or (BUCKET,)

    def ready(gcs: LocalGcs) -> str:
        return GCS_READY.format(
            buckets=", ".join(f"gs://{name}" for name in wanted),
            bucket=wanted[0],
            endpoint=gcs.endpoint,
            data_fate=_data_fate(data_dir),
            log_path=gcs.log_path,
        )

    return _run(lambda: LocalGcs(port, data_dir, wanted), ready)


def run_airflow(dags: Path, port: int | None = None, data_dir: Path | None = None) -> int:
    """Runs an Airflow with these DAGs, the rest as `run_kafka` has it; tasks have the environment of this process."""
    if not dags.is_dir():
        raise LocalError(f"there is no folder {dags}; say --dags FOLDER, where your DAGs are, e.g. those of a clone")

    def ready(airflow: LocalAirflow) -> str:
        return AIRFLOW_READY.format(url=airflow.url, dags=dags, data_fate=_data_fate(data_dir), folder=airflow.folder)

    return _run(lambda: LocalAirflow(dags, port=port, data_dir=data_dir, say=_say), ready)


def _run(server: Callable[[], AbstractContextManager[S]], ready: Callable[[S], str]) -> int:
    # Both signals as KeyboardInterrupt: it ends a start half-way just as well, and servers clean up on any way out.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with server() as running:
            sys.stdout.write(ready(running))
            sys.stdout.flush()
            while True:
                running.check()
                time.sleep(CHECK_SECONDS)
    except KeyboardInterrupt:
        _say("stopped")
        return Exit.DONE
    finally:
        signal.signal(signal.SIGTERM, before)


def _data_fate(data_dir: Path | None) -> str:
    return f"stays in {data_dir}" if data_dir else "goes when it stops (--data-dir keeps it)"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")

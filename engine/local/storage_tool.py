"""Runs Kafka's own storage tool, once for a user, to learn what a newly formatted cluster starts from."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from streamlake.engine.errors import LocalError
from streamlake.engine.local.broker import Broker, java_command, kafka_uuid, write_properties
from streamlake.engine.local.java import Java

FORMAT_SECONDS_MAX = 60


def bootstrap_checkpoint(java: Java, jars: Sequence[Path]) -> Path:
    """The `bootstrap.checkpoint` of this Kafka version: the features (metadata, groups, transactions) at their latest.

    It is the same for every cluster and node, so it is made once and kept beside the jars. Raises LocalError.
    """
    kept = jars[0].parent / "bootstrap.checkpoint"
    if not kept.exists():
        with TemporaryDirectory(dir=kept.parent.parent, prefix=".formatting-") as folder:
            # Two processes may both come here; each renames a whole file, and their bytes mean the same.
            _format(java, jars, Path(folder)).replace(kept)
    return kept


def _format(java: Java, jars: Sequence[Path], folder: Path) -> Path:
    broker = Broker(node_id=1, port=9092, controller_port=9093, folder=folder)  # nothing listens there
    write_properties(broker, [broker], {})
    command = [
        *java_command(java, jars, broker.log_path, ["-XX:TieredStopAtLevel=1"]),
        "kafka.tools.StorageTool",
        "format",
        "--cluster-id",
        kafka_uuid(),
        "--config",
        str(broker.properties_path),
    ]
    try:
        ended = subprocess.run(  # noqa: S603  our own command line
            command, capture_output=True, text=True, timeout=FORMAT_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalError(f"Kafka's storage tool can't be run by {java.path}: {error}") from error
    if ended.returncode:
        raise LocalError(f"Kafka's storage tool failed (exit code {ended.returncode}):\n{ended.stdout}{ended.stderr}")
    return broker.data_folder / "bootstrap.checkpoint"

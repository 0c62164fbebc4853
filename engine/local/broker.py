"""What one broker of a local cluster is: its ports, its folder, its settings, its command line."""

import shutil
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamlake.engine.local.java import Java
from streamlake.engine.local.ports import LOOPBACK

LOG_CONFIG_PATH = Path(__file__).parent / "broker_log4j2.properties"

INTERNAL_TOPIC_PARTITIONS = 4
"""Instead of 50: made when the first group joins, each costs the controller and the disk something."""


@dataclass(frozen=True, slots=True)
class Broker:
    """One node, broker and controller in one process. `node_id` counts from 1; `folder` holds all that it writes."""

    node_id: int
    port: int
    controller_port: int
    folder: Path

    @property
    def name(self) -> str:
        """`node-1` and so on: its folder's name, and what the guardian knows it by."""
        return f"node-{self.node_id}"

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def voter(self) -> str:
        """Its entry in `controller.quorum.voters`."""
        return f"{self.node_id}@{LOOPBACK}:{self.controller_port}"

    @property
    def data_folder(self) -> Path:
        """Kafka's own files: topics and cluster metadata."""
        return self.folder / "data"

    @property
    def properties_path(self) -> Path:
        """Its settings."""
        return self.folder / "server.properties"

    @property
    def log_path(self) -> Path:
        """What Kafka logs."""
        return self.folder / "broker.log"

    @property
    def console_path(self) -> Path:
        """What the JVM prints: why it could not even start."""
        return self.folder / "console.log"

    def command(self, java: Java, jars: Sequence[Path], java_options: Sequence[str]) -> list[str]:
        """The command line that runs this broker in the foreground."""
        return [
            *java_command(java, jars, self.log_path, java_options),
            "kafka.Kafka",
            str(self.properties_path),
        ]

    def log_tail(self, lines_max: int = 40) -> str:
        """The end of the log and of what the JVM printed, for a person who wants to know why it stopped."""
        tails = [_tail(path, lines_max) for path in (self.console_path, self.log_path)]
        return "\n".join(tail for tail in tails if tail) or "(it wrote nothing)"


@dataclass(frozen=True, slots=True)
class Listener:
    """One more way in, beside PLAINTEXT: a name of capital letters, Kafka's word for its security, and a port.

    What it needs of certificates and accounts is said by broker settings `listener.name.<name in small letters>.…`.
    """

    name: str
    protocol: str
    port: int

    @property
    def address(self) -> str:
        """By name, since a certificate is made out to one."""
        return f"localhost:{self.port}"


def java_command(java: Java, jars: Sequence[Path], log_path: Path, java_options: Sequence[str]) -> list[str]:
    """`java` with Kafka on its class path and its log in `log_path`; the main class comes next."""
    return [
        str(java.path),
        "-XX:+UseSerialGC",  # the smallest one: a local broker shares two cores with what is tried out
        "-Xmx512m",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={LOG_CONFIG_PATH}",
        f"-Dstreamlake.log={log_path}",
        *java_options,
        "-cp",
        ":".join(str(jar) for jar in jars),
    ]


def write_properties(
    broker: Broker,
    cluster: Sequence[Broker],
    extra: Mapping[str, str],
    proxied: tuple[int, int] | None = None,
    listeners: Sequence[Listener] = (),
) -> None:
    """Writes the broker's `server.properties`; `extra` comes last and wins.

    `proxied`: a second port to listen on, and the one that clients who come that way are told.
    """
    replicas = min(3, len(cluster))
    second, told = "", ""
    if proxied is not None:
        second, told = (f",PROXIED://{LOOPBACK}:{port}" for port in proxied)
    more = "".join(f",{one.name}://{one.address}" for one in listeners)
    kinds = "".join(f",{one.name}:{one.protocol}" for one in listeners)
    in_sync_min = 2 if replicas == 3 else 1
    settings = {
        "process.roles": "broker,controller",
        "node.id": str(broker.node_id),
        "controller.quorum.voters": ",".join(each.voter for each in cluster),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{broker.address},CONTROLLER://{LOOPBACK}:{broker.controller_port}{second}{more}",
        "advertised.listeners": f"PLAINTEXT://{broker.address}{told}{more}",
        "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT{kinds}",
        "log.dirs": str(broker.data_folder),
        "auto.create.topics.enable": "false",  # a mistyped topic name is an error, as in production
        "default.replication.factor": str(replicas),
        "min.insync.replicas": str(in_sync_min),
        "offsets.topic.replication.factor": str(replicas),
        "offsets.topic.num.partitions": str(INTERNAL_TOPIC_PARTITIONS),
        "transaction.state.log.replication.factor": str(replicas),
        "transaction.state.log.min.isr": str(in_sync_min),
        "transaction.state.log.num.partitions": str(INTERNAL_TOPIC_PARTITIONS),
        "share.coordinator.state.topic.replication.factor": str(replicas),
        "share.coordinator.state.topic.min.isr": str(in_sync_min),
        "share.coordinator.state.topic.num.partitions": str(INTERNAL_TOPIC_PARTITIONS),
        "group.initial.rebalance.delay.ms": "0",  # a first member need not wait 3 s for others
        # A killed broker may come back under its id after 3 s instead of 9, and a paused one is missed as soon.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # Lower bounds only: a group that asks for nothing gets Kafka's defaults (45 s).
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.min.heartbeat.interval.ms": "200",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),  # 128 MiB of a 512 MiB heap otherwise
        "num.io.threads": "4",
        "num.network.threads": "2",
        **extra,
    }
    broker.properties_path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))


def format_storage(broker: Broker, cluster_id: str, bootstrap_checkpoint: Path) -> None:
    """Makes the data folder ready for a first start; does nothing when it is.

    Does what `kafka-storage.sh format` does, without its 1.2 s of JVM: the features of a new cluster
    (`bootstrap.checkpoint`, made once by that tool itself) and `meta.properties` (KIP-785, KIP-858).
    """
    meta = broker.data_folder / "meta.properties"
    if meta.exists():
        return
    broker.data_folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bootstrap_checkpoint, broker.data_folder / "bootstrap.checkpoint")
    # Last, since it is what says that the folder is formatted.
    meta.write_text(f"version=1\nnode.id={broker.node_id}\ncluster.id={cluster_id}\ndirectory.id={kafka_uuid()}\n")


def kafka_uuid() -> str:
    """A new id as Kafka writes them: 16 random bytes in URL-safe base64 without padding, not starting with `-`."""
    while (text := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def _tail(path: Path, lines_max: int) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines_max:])
    except FileNotFoundError:
        return ""

"""The local Kafka starts, stops, dies and comes back."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streamlake.engine.errors import LocalError
from streamlake.engine.kafka.probe import wait_until_ready
from streamlake.engine.local.java import BUNDLED, JAVA_VERSION_MIN, find_java
from streamlake.engine.local.kafka import LocalKafka
from streamlake.engine.local.ports import LOOPBACK, free_ports, is_free

pytestmark = pytest.mark.usefixtures("kafka_parts")


@pytest.fixture(scope="module")
def three_nodes(kafka_parts: None) -> Iterator[LocalKafka]:
    with LocalKafka(nodes=3) as kafka:
        yield kafka


def make_topic(kafka: LocalKafka, name: str, replicas: int = 1) -> None:
    with AdminClient({"bootstrap.servers": kafka.bootstrap_servers}) as admin:
        admin.create_topics([NewTopic(name, 1, replicas)])[name].result(30)


def produce(kafka: LocalKafka, topic: str, value: bytes) -> None:
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "acks": "all", "log_level": 0})
    producer.produce(topic, value, on_delivery=lambda error, _message: failures.append(error) if error else None)
    assert producer.flush(30) == 0
    assert failures == []


def consume(kafka: LocalKafka, topic: str, protocol: str = "classic") -> bytes | None:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": f"{topic}.{protocol}",
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    message = consumer.poll(30)
    assert message is not None
    assert message.error() is None
    consumer.close()
    return message.value()


@pytest.mark.parametrize("wanted", ["", BUNDLED], ids=["java_of_the_machine", "java_of_the_wheel"])
def test_one_node_takes_and_gives_records_and_is_gone_after(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLAKE_LOCAL_JAVA", wanted)
    with LocalKafka() as kafka:
        # What is asked for is what runs: the link in /proc, since a name on the command line may be a link itself.
        assert Path(f"/proc/{kafka.pid()}/exe").resolve() == find_java().path.resolve()
        make_topic(kafka, "orders")
        produce(kafka, "orders", b"one")
        assert consume(kafka, "orders") == b"one"
        assert consume(kafka, "orders", protocol="consumer") == b"one"  # KIP-848
        folder, port = kafka.folder, int(kafka.bootstrap_servers.partition(":")[2])
    assert not folder.exists()
    assert is_free(port)


def test_topics_are_not_made_by_a_mistyped_name(three_nodes: LocalKafka) -> None:
    admin = AdminClient({"bootstrap.servers": three_nodes.bootstrap_servers})
    admin.list_topics("mistyped", timeout=10)
    assert "mistyped" not in admin.list_topics(timeout=10).topics


def test_three_nodes_go_on_without_one_and_take_it_back(three_nodes: LocalKafka) -> None:
    make_topic(three_nodes, "survivors", replicas=3)
    three_nodes.kill(2)
    produce(three_nodes, "survivors", b"written by two")
    pid = three_nodes.pid(2)
    three_nodes.restart(2)
    assert three_nodes.pid(2) != pid
    assert consume(three_nodes, "survivors") == b"written by two"


def test_a_paused_node_answers_again_after_resume(three_nodes: LocalKafka) -> None:
    address = three_nodes.bootstrap_servers.split(",")[2]
    three_nodes.pause(3)
    with pytest.raises(LocalError, match="no Kafka of 1 nodes"):
        wait_until_ready(address, 1, timeout_seconds=1.5)
    three_nodes.resume(3)
    wait_until_ready(address, 3, timeout_seconds=60)


def test_all_of_a_node_stands_still_when_it_is_paused(three_nodes: LocalKafka) -> None:
    for _ in range(20):
        three_nodes.pause(3)
        tasks = Path(f"/proc/{three_nodes.pid(3)}/task").iterdir()
        assert {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks} == {"T"}
        three_nodes.resume(3)
    wait_until_ready(three_nodes.bootstrap_servers, 3, timeout_seconds=60)


def test_a_node_that_does_not_run_can_not_be_paused(three_nodes: LocalKafka) -> None:
    three_nodes.kill(3)
    with pytest.raises(LocalError, match=r"node 3 does not run.*restart"):
        three_nodes.pause(3)
    with pytest.raises(LocalError, match="node 3 ended"):
        three_nodes.check()
    three_nodes.restart(3)
    three_nodes.check()


def test_there_is_no_node_zero_and_no_fourth(three_nodes: LocalKafka) -> None:
    for node in (0, 4):
        with pytest.raises(LocalError, match=f"no node {node}"):
            three_nodes.kill(node)


def test_a_data_dir_keeps_records_and_address_for_the_next_time(tmp_path: Path) -> None:
    with LocalKafka(data_dir=tmp_path) as kafka:
        first_address = kafka.bootstrap_servers
        make_topic(kafka, "kept")
        produce(kafka, "kept", b"still here")
        with pytest.raises(LocalError, match="in use by another"):
            LocalKafka(data_dir=tmp_path).start()
    with LocalKafka(data_dir=tmp_path) as kafka:
        assert kafka.bootstrap_servers == first_address
        assert consume(kafka, "kept") == b"still here"


def test_a_failing_start_shows_the_brokers_own_words(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as told:
        LocalKafka(properties={"log.retention.bytes": "plenty"}).start()
    assert "node 1 ended (exit code 1)" in str(told.value)
    assert "Invalid value plenty for configuration log.retention.bytes" in str(told.value)


def test_java_that_can_not_even_start_is_told_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "java"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = -version ] && echo \'openjdk version "21.0.1"\' && exit 0\necho no memory left; exit 3\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("STREAMLAKE_LOCAL_JAVA", str(fake))
    with pytest.raises(LocalError, match=r"(?s)exit code 3.*no memory left"):
        LocalKafka().start()


@pytest.mark.parametrize("nodes", [0, 2, 4, -1])
def test_only_one_or_three_nodes(nodes: int) -> None:
    with pytest.raises(LocalError, match=f"1 node, or 3 .* not {nodes}"):
        LocalKafka(nodes)


def test_a_taken_port_is_told_before_anything_starts() -> None:
    with socket.create_server((LOOPBACK, free_ports(1)[0])) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port} .* is taken.*--port"):
            LocalKafka(port=port).start()


def foreign_files(folder: Path) -> None:
    (folder / "meta.properties").write_text("cluster.id=somebody-elses\n")


def cluster_of_three(folder: Path) -> None:
    (folder / "cluster.json").write_text('{"cluster_id": "x", "nodes": 3, "ports": []}')


def damaged(folder: Path) -> None:
    (folder / "cluster.json").write_text("{")


@pytest.mark.parametrize(
    ("prepare", "answer"),
    [
        (foreign_files, r"holds something that is not ours \(meta.properties\).*empty or new"),
        (cluster_of_three, r"a cluster of 3 nodes, not 1: say --nodes 3"),
        (damaged, r"cluster.json is damaged"),
    ],
)
def test_a_data_dir_of_something_else_is_left_alone(
    prepare: Callable[[Path], None], answer: str, tmp_path: Path
) -> None:
    prepare(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(LocalError, match=answer):
        LocalKafka(data_dir=tmp_path).start()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_data_dir_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalError, match="can't be used for the server's data"):
        LocalKafka(data_dir=tmp_path / "file").start()


def test_the_java_found_is_new_enough() -> None:
    assert find_java().version >= JAVA_VERSION_MIN

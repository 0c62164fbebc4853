"""Topics that change under a running engine: deleted and made anew with the same name, or with a partition more."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]  # its stubs forget it
from support.engine import proof, streamlake
from support.scene import MakeScene, Scene, orders
from support.topics import delete_topic, fill, make_topic
from support.waiting import wait_until

from streamlake.engine.local.ports import free_ports
from streamlake.engine.operations.status import ask_url


def test_a_topic_that_is_made_anew_and_refilled_while_it_is_read_parks_and_nothing_of_it_lands(scene: Scene) -> None:
    scene.produce(orders(100))
    with scene.engine() as engine:
        engine.wait_for("committed")
        (worker,) = engine.workers()
        worker.suspend()  # so that it notices nothing of what lies between the two
        _make_anew(scene)
        fill(scene.servers, scene.topic, [b'{"of": "another topic"}'] * 300)
        worker.resume()
        parked = engine.wait_for("parked")
        assert "made anew" in parked["why"], parked
        assert parked["why"].startswith(f"{scene.topic}/0: the topic was deleted and made anew")
        engine.stop()
    scene.account().check(scene.produced)
    proof(scene.pipeline)

    again = streamlake("run", str(scene.pipeline), "--until-end")
    assert again.returncode == 78, again.stderr
    assert f"topic id of {scene.topic}" in again.stderr
    scene.account().check(scene.produced)


def test_a_worker_that_starts_on_a_topic_made_anew_parks_and_claims_nothing(scene: Scene) -> None:
    scene.produce(orders(100))
    with scene.engine() as engine:
        engine.wait_for("committed")
        (worker,) = engine.workers()
        worker.suspend()
        _make_anew(scene)
        fill(scene.servers, scene.topic, [b'{"of": "another topic"}'] * 300)
        worker.kill()
        parked = engine.wait_for("parked")
        assert "made anew" in parked["why"], parked
        assert len(scene.entries("claim")) == 1
        engine.stop()
    scene.account().check(scene.produced)
    proof(scene.pipeline)


def test_a_partition_added_while_running_is_read_from_its_first_offset(make_scene: MakeScene) -> None:
    often = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "topic.metadata.refresh.interval.ms": 500}
    scene = make_scene(kafka__start="latest", kafka__properties=often)
    with scene.engine() as engine:
        engine.wait_for("assigned", lambda line: line["partitions"] != [])
        scene.produce(orders(100))
        with AdminClient({"bootstrap.servers": scene.servers}) as admin:
            admin.create_partitions([NewPartitions(scene.topic, 2)])[scene.topic].result(30)
        scene.produce(orders(100), partition=1)  # before anybody reads there
        wait_until(lambda: scene.landed() == 200, engine.log)
        engine.stop()
    scene.check()


def test_a_topic_that_is_deleted_while_it_is_read_is_said_to_be_gone_and_the_broker_to_be_there(
    make_scene: MakeScene,
) -> None:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    often = {"topic.metadata.refresh.interval.ms": 500}  # so that the group takes the partitions away meanwhile
    scene = make_scene(partitions=2, metrics__listen=listen, kafka__properties=often)
    scene.produce(orders(100))
    with scene.engine() as engine:
        engine.wait_for("committed")
        delete_topic(scene.servers, scene.topic)
        said = engine.wait_for("the topic is gone")
        assert (said["code"], said["topics"]) == ("SL0338", [scene.topic])
        wait_until(lambda: [*ask_url(f"http://{listen}", 5).gone] == [scene.topic], engine.log)  # told just before
        state = ask_url(f"http://{listen}", 5)
        assert state.broker_since is None
        assert state.not_ready_because()[0].startswith(f"the cluster has no topic {scene.topic} any more, since ")
        assert not engine.events("the broker does not answer"), engine.log()
        engine.stop()
    scene.account().check(scene.produced)


def _make_anew(scene: Scene) -> None:
    """Delete the topic and make it again; the deletion takes a moment after it was confirmed."""
    delete_topic(scene.servers, scene.topic)

    def made() -> bool:
        try:
            make_topic(scene.servers, exactly=scene.topic)
        except KafkaException:
            return False
        return True

    wait_until(made, "the topic made anew")

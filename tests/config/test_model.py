"""What a pipeline's YAML may say, what it gets by default, and what is refused."""

import pickle
from datetime import UTC, datetime

import pytest
from support.yaml_file import SMALL, YamlFile

from streamlake.config.model import PipelineConfig
from streamlake.config.refused_properties import why_refused


def test_the_smallest_yaml_has_sensible_defaults(yaml_file: YamlFile) -> None:
    config = yaml_file.load()
    assert config.batch.rows_max == 200_000
    assert config.batch.bytes_max == 128 * 1024**2
    assert config.batch.seconds_max == 60.0
    assert config.policies.record_bytes_max == 1024**2
    assert (config.policies.tombstone, config.policies.gap) == ("skip", "stop")
    assert (config.kafka.start, config.kafka.group_protocol) == ("earliest", "classic")
    assert config.workers.stuck_seconds == 300.0
    assert config.metrics.address is None
    assert config.kafka.topics[1].partitions is None


def test_relative_paths_start_at_the_yaml_s_folder(yaml_file: YamlFile) -> None:
    folder = yaml_file.path.parent
    config = yaml_file.load(append="python_path: [models, /opt/models]\n")
    assert [str(path) for path in config.python_path] == [str(folder / "models"), "/opt/models"]
    assert yaml_file.load().python_path == (folder,)
    assert config.base_dir == folder


def test_a_loaded_pipeline_survives_the_way_to_a_worker(yaml_file: YamlFile) -> None:
    config = yaml_file.load()
    copy = pickle.loads(pickle.dumps(config))
    assert copy == config
    assert (copy.base_dir, copy.files) == (config.base_dir, config.files)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("128MiB", 128 * 1024**2), ("1.5 KiB", 1536), ("64kB", 64_000), ("4096", 4096), ("2048B", 2048)],
)
def test_sizes_are_bytes_or_have_a_unit(yaml_file: YamlFile, text: str, expected: int) -> None:
    assert yaml_file.load(append=f"batch: {{bytes_max: {text}}}\n").batch.bytes_max == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("60s", 60.0), ("5m", 300.0), ("250ms", 0.25), ("1h", 3600.0), ("7", 7.0), ("1.5", 1.5)]
)
def test_durations_are_seconds_or_have_a_unit(yaml_file: YamlFile, text: str, expected: float) -> None:
    assert yaml_file.load(append=f"batch: {{seconds_max: {text}}}\n").batch.seconds_max == expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("batch: {rows_max: four}", "batch.rows_max: 'four' must be a whole number"),
        ("batch: {rows_max: 1.5}", "batch.rows_max: 1.5 must be a whole number"),
        ("batch: {rows_max: true}", "batch.rows_max: true must be a whole number"),
        ('batch: {rows_max: "4"}', "batch.rows_max: '4' must be a whole number"),
        ("batch: {rows_max: 0}", "batch.rows_max: 0 must be at least 1"),
        ("batch: {rows_max:}", "batch.rows_max: (nothing) must be a whole number"),
        ("batch: {bytes_max: 128MiX}", "batch.bytes_max: '128MiX' must be a size"),
        ("batch: {seconds_max: 60 fortnights}", "batch.seconds_max: '60 fortnights' must be a duration"),
        ("batch: {seconds_max: [1]}", "batch.seconds_max: a list must be a number"),
        ("batch: 7", "batch: 7 must be a mapping"),
        ("python_path: models", "python_path: 'models' must be a list"),
        ("metrics: {listen: 9464}", "metrics.listen: 9464 must be host:port"),
        ("metrics: {listen: localhost}", "metrics.listen: 'localhost' must be host:port"),
        ("metrics: {listen: 'localhost:70000'}", "metrics.listen: 'localhost:70000' must have a port of 65535 at most"),
        ("policies: {gap: ignore}", "policies.gap: 'ignore' must be 'stop' or 'record'"),
        ("policies: {tombstone: skipp}", "must be 'skip' or 'refuse'; did you mean skip?"),
        ("workers: {restart_window: 0}", "workers.restart_window: 0 must be more than 0"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(yaml_file: YamlFile, line: str, problem: str) -> None:
    (found,) = yaml_file.problems(append=line + "\n")
    assert found.startswith("pipeline.yaml:11:")
    assert problem in found


@pytest.mark.parametrize("name", ["a/b", "", "..", "x" * 250, "naïve"])
def test_an_illegal_topic_name_is_refused(yaml_file: YamlFile, name: str) -> None:
    (found,) = yaml_file.problems(SMALL.replace("order.late", f'"{name}"'))
    assert "is no legal topic name" in found


def test_a_topic_that_stands_in_the_list_twice_is_refused(yaml_file: YamlFile) -> None:
    (found,) = yaml_file.problems(SMALL.replace("order.late", "order.raw"))
    assert found.startswith("pipeline.yaml:7:8: ")
    assert "stands in this list already" in found


def test_no_topics_at_all_are_refused(yaml_file: YamlFile) -> None:
    (found,) = yaml_file.problems(
        SMALL.replace("topics:", "topics: []\n  x:").replace("  x:\n", "").split("    -")[0]
        + SMALL[SMALL.index("validator") :]
    )
    assert "must name at least one topic" in found


def test_a_dead_letter_topic_that_is_also_read_is_refused(yaml_file: YamlFile) -> None:
    (found,) = yaml_file.problems(SMALL.replace("orders.dlq", "order.late"))
    assert found.startswith("pipeline.yaml:10:24: dead_letters.topic.name: is also read by this pipeline")


def test_refused_records_need_a_dead_letter_topic_unless_nothing_is_validated(yaml_file: YamlFile) -> None:
    without = SMALL.replace("dead_letters: {topic: {name: orders.dlq}}\n", "")
    (found,) = yaml_file.problems(without)
    assert "dead_letters.topic: is missing: refused records are copied there" in found
    assert yaml_file.load(without.replace("type: json", "type: none")).dead_letters.topic is None


@pytest.mark.parametrize(
    ("start", "milliseconds"),
    [
        ("earliest", None),
        ("latest", None),
        ("committed", None),
        ("2026-01-31T06:00:00Z", 1769839200000),
        ("2026-01-31T07:00:00.250+01:00", 1769839200250),
    ],
)
def test_a_start_is_a_word_or_a_timestamp_with_its_zone(
    yaml_file: YamlFile, start: str, milliseconds: int | None
) -> None:
    config = yaml_file.load(SMALL, f"kafka.start={start}")
    assert config.kafka.start_timestamp_ms == milliseconds
    if milliseconds is not None:
        assert datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().startswith("2026-01-31T06:00:00")


@pytest.mark.parametrize("start", ["2026-01-31T06:00:00", "yesterday", "2026-01-31"])
def test_a_start_without_a_zone_or_meaning_is_refused(yaml_file: YamlFile, start: str) -> None:
    (found,) = yaml_file.problems(SMALL, f"kafka.start={start}")
    assert found.startswith(f"--set kafka.start: '{start}' ")
    assert "zone" in found


PROMISE = [
    "enable.auto.commit",
    "auto.offset.reset",
    "isolation.level",
    "group.id",
    "bootstrap.servers",
    "enable.idempotence",
    "acks",
    "plugin.library.paths",
    "ssl.engine.location",
    "ssl.engine_callback_data",
    "sasl.password",
    "security.protocol",
    "transactional.id",
    "group.instance.id",
    "allow.auto.create.topics",
    "test.mock.num.brokers",
    "error_cb",
]


@pytest.mark.parametrize("name", PROMISE)
def test_a_property_that_the_promise_rests_on_is_refused_with_why(yaml_file: YamlFile, name: str) -> None:
    (found,) = yaml_file.problems(SMALL.replace("  topics:", f"  properties: {{{name}: x}}\n  topics:"))
    assert found.startswith(f"pipeline.yaml:5:16: kafka.properties.{name}: is refused: ")
    assert found.endswith(why_refused(name) or "?")


def test_other_properties_are_handed_on_as_kafka_writes_them(yaml_file: YamlFile) -> None:
    text = SMALL.replace("  topics:", "  properties: {fetch.wait.max.ms: 5, socket.keepalive.enable: true}\n  topics:")
    found = {name: value.get_secret_value() for name, value in yaml_file.load(text).kafka.properties.items()}
    assert found == {"fetch.wait.max.ms": "5", "socket.keepalive.enable": "true"}


@pytest.mark.parametrize(
    ("security", "problems"),
    [
        ("{protocol: SASL_SSL}", ["mechanism: is missing"]),
        ("{protocol: SASL_SSL, mechanism: PLAIN}", ["password: is missing", "username: is missing"]),
        ("{username: u}", ["username: is used by SASL only, and protocol is PLAINTEXT"]),
        ("{protocol: SASL_PLAINTEXT, mechanism: GSSAPI, ca: ca.pem}", ["ca: is used by SSL only"]),
        ("{protocol: SSL, key: k.pem}", ["certificate: is missing: certificate and key come together"]),
        ("{protocol: SLS}", ["did you mean SSL?"]),
    ],
)
def test_a_sign_in_that_can_not_work_is_refused(yaml_file: YamlFile, security: str, problems: list[str]) -> None:
    found = sorted(yaml_file.problems(SMALL.replace("  topics:", f"  security: {security}\n  topics:")))
    assert len(found) == len(problems)
    for sentence, problem in zip(found, problems, strict=True):
        assert problem in sentence


STREAMS = "http: {streams: {orders: {topic: order.raw}}}\n"


def test_a_stream_takes_what_it_leaves_out_from_the_pipeline(yaml_file: YamlFile) -> None:
    config = yaml_file.load(append=STREAMS)
    assert config.http is not None
    stream = config.http.streams["orders"]
    assert config.topic_of(stream) == config.kafka.topics[0].name
    assert config.validator_of(stream) == config.validator
    assert config.dead_letter_topic_of(stream) == config.dead_letters.topic
    assert not config.http.authorized


def test_topics_of_streams_are_topics_of_the_pipeline(yaml_file: YamlFile) -> None:
    stream = "{topic: posted, dead_letters: {topic: {name: posted.dlq, partitions: 2}}, rate: 60/m}"
    config = yaml_file.load(append=STREAMS.replace("{topic: order.raw}", stream))
    assert [topic.name for topic in config.all_topics][-2:] == ["posted", "posted.dlq"]
    assert config.all_topics[-1].partitions == 2
    assert config.http is not None
    assert config.http.streams["orders"].rate == 1.0


@pytest.mark.parametrize(
    ("http", "problem"),
    [
        ("{streams: {orders: {ky_field: /a}}}", "http.streams.orders.ky_field: unknown key; did you mean key_field?"),
        ("{streams: {}}", "http.streams:"),
        (
            "{streams: {orders: {}}}",
            "http.streams.orders.topic: is missing: say which one, the pipeline reads order.raw",
        ),
        ("{streams: {a b: {}}}", "must be 1 to 100 of the characters"),
        ("{streams: {orders: {rate: 100/d}}}", "http.streams.orders.rate: '100/d' must be a rate"),
        ("{streams: {orders: {key_field: a}}}", "must be a JSON pointer, as in /customer_id"),
        (
            "{listen: '0.0.0.0:80', streams: {orders: {}}}",
            "http.auth: is missing: 0.0.0.0:80 is reached from elsewhere",
        ),
        ("{auth: keys, streams: {orders: {}}}", "http.keys_file: is missing: `auth: keys` needs it"),
        ("{auth: none, keys_file: k, streams: {orders: {}}}", "http.keys_file: is not used: auth is none"),
        ("{delivery_seconds: 20, streams: {orders: {}}}", "http.request_seconds: 30 must be at least 36"),
        ("{drain_seconds: 6, streams: {orders: {}}}", "http.drain_seconds: 6 must be at least 7"),
        ("{streams: {orders: {topic: x, dead_letters: {topic: {name: x}}}}}", "which takes accepted records"),
    ],
)
def test_an_edge_that_can_not_work_is_refused(yaml_file: YamlFile, http: str, problem: str) -> None:
    (found,) = yaml_file.problems(append=f"http: {http}\n")
    assert problem in found


def test_a_plugin_s_options_are_its_own(yaml_file: YamlFile) -> None:
    text = SMALL.replace("{type: json}", '{type: "my.module:Own", depth: "${D}", deep: {list: ["${D}", x]}}')
    config = yaml_file.load(text, environ={"D": "12"})
    assert config.validator.type == "my.module:Own"
    assert config.validator.options == {"depth": 12, "deep": {"list": [12, "x"]}}


def test_a_pipeline_made_in_memory_is_checked_in_the_same_way(yaml_file: YamlFile) -> None:
    config = yaml_file.load()
    assert PipelineConfig.model_validate(config.model_dump()).model_dump() == config.model_dump()

"""Loading a pipeline's YAML: places, near misses, variables, `--set`, secrets, and files that are none."""

from pathlib import Path

import pytest
from support.yaml_file import SMALL, YamlFile

from streamlake.config.load import load_pipeline
from streamlake.engine.errors import ConfigError, Exit


def test_an_unknown_key_is_answered_with_the_nearest_known_one_and_its_place(yaml_file: YamlFile) -> None:
    (found,) = yaml_file.problems(SMALL.replace("  group_id", "  topcis: []\n  group_id"))
    assert found == "pipeline.yaml:4:3: kafka.topcis: unknown key; did you mean topics?"


def test_a_key_in_the_wrong_section_is_answered_with_the_right_one(yaml_file: YamlFile) -> None:
    (found,) = yaml_file.problems(append="rows_max: 5\n")
    assert found == "pipeline.yaml:11:1: rows_max: unknown key here; it belongs to batch"


def test_a_missing_setting_is_described(yaml_file: YamlFile) -> None:
    (found,) = yaml_file.problems(SMALL.replace("  group_id: streamlake.orders\n", ""))
    assert found.startswith("pipeline.yaml:2:1: kafka.group_id: is missing. The consumer group:")


def test_every_problem_is_told_in_the_order_of_the_lines(yaml_file: YamlFile) -> None:
    text = SMALL.replace("127.0.0.1:9092", "kafka").replace("partitions: 4", "partitions: ${P}, shape: round")
    text = text.replace("{name: order.raw, partitions: ${P}", '{name: order.raw, partitions: "${P}"')
    found = yaml_file.problems(text + "batch: {rows_max: 0}\nworkers: {max: 0}\n", "sink.type=7")
    assert [problem.split(": ")[0] for problem in found] == [
        "pipeline.yaml:3:22",
        "pipeline.yaml:6:37",
        "pipeline.yaml:6:45",
        "pipeline.yaml:11:19",
        "pipeline.yaml:12:16",
        "--set sink.type",
    ]
    assert "the variable P is not set" in found[1]


def test_list_items_are_told_by_their_names(yaml_file: YamlFile) -> None:
    (found,) = yaml_file.problems(SMALL.replace("partitions: 4", "partitions: 0"))
    assert "kafka.topics[order.raw].partitions: 0 must be at least 1" in found


def test_a_config_error_ends_in_78(yaml_file: YamlFile) -> None:
    with pytest.raises(ConfigError) as caught:
        yaml_file.load("pipeline: x")
    assert caught.value.exit_code is Exit.BAD_CONFIG
    assert int(caught.value.exit_code) == 78


# Variables


def test_a_value_that_is_one_variable_becomes_what_is_wanted_there(yaml_file: YamlFile) -> None:
    text = SMALL.replace("partitions: 4", 'partitions: "${N}"').replace("group_id: streamlake.orders", "group_id: ${N}")
    config = yaml_file.load(
        text + "batch: {bytes_max: '${S}', seconds_max: '${F}'}\n", environ={"N": "12", "S": "2MiB", "F": "1.5"}
    )
    assert config.kafka.topics[0].partitions == 12
    assert config.kafka.group_id == "12"
    assert (config.batch.bytes_max, config.batch.seconds_max) == (2 * 1024**2, 1.5)


@pytest.mark.parametrize(
    ("written", "environ", "expected"),
    [
        ("${V}", {"V": "x"}, "x"),
        ("${V}", {"V": ""}, None),
        ("${V:-d}", {}, "d"),
        ("${V:-d}", {"V": ""}, "d"),
        ("${V:-d}", {"V": "x"}, "x"),
        ("a-${V}-${W:-w}", {"V": "x"}, "a-x-w"),
        ("$${V}", {"V": "x"}, "${V}"),
        ("cost$$5", {}, "cost$5"),
        ("$5", {}, "$5"),
        ("$A", {}, "$A"),
        ("$home", {}, "$home"),
        (r"\$USD", {}, r"\$USD"),
        ("$$HOME/x", {}, "$HOME/x"),
        ("${V:-$HOME}", {}, "$HOME"),
        ("${V}", {"V": "$HOME"}, "$HOME"),
        ("${V}", {"V": "${W}"}, "${W}"),
        ("${V}", {"V": "{a: 1}"}, "{a: 1}"),
    ],
)
def test_variables_are_filled_in_once_and_as_text(
    yaml_file: YamlFile, written: str, environ: dict[str, str], expected: str | None
) -> None:
    text = SMALL.replace("group_id: streamlake.orders", f"group_id: '{written}'")
    if expected is None:
        (found,) = yaml_file.problems(text, environ=environ)
        assert found.endswith("kafka.group_id: '' (from ${V}) must not be empty")
    else:
        assert yaml_file.load(text, environ=environ).kafka.group_id == expected


def test_checks_and_passwords_may_have_a_dollar_before_large_letters(yaml_file: YamlFile) -> None:
    checks = "quality: {checks: [{type: matches_regex, column: sum, regex: '[$EUR]'}]}\n"
    sign_in = "{protocol: SASL_PLAINTEXT, mechanism: PLAIN, username: u, password: pa$WORD}"
    config = yaml_file.load(SMALL.replace("  topics:", f"  security: {sign_in}\n  topics:") + checks)
    assert config.kafka.security.password is not None
    assert config.kafka.security.password.get_secret_value() == "pa$WORD"


def test_an_unset_variable_without_a_default_is_an_error_with_its_line(yaml_file: YamlFile) -> None:
    (found,) = yaml_file.problems(SMALL.replace("127.0.0.1:9092", "${SERVERS}"))
    assert found == (
        "pipeline.yaml:3:22: kafka.bootstrap_servers: the variable SERVERS is not set: "
        "set it, or give a default: ${SERVERS:-…}"
    )


@pytest.mark.parametrize("written", ["${V", "${9}", "${V-d}", "${}"])
def test_what_looks_like_a_variable_and_is_none_is_an_error(yaml_file: YamlFile, written: str) -> None:
    (found,) = yaml_file.problems(SMALL.replace("group_id: streamlake.orders", f"group_id: '{written}'"))
    assert f"{written} is no variable: write ${{NAME}}" in found


def test_a_secret_comes_from_a_file_beside_the_yaml(yaml_file: YamlFile) -> None:
    (yaml_file.path.parent / "secret").write_text("p$4: '{x}'\n")
    sign_in = "{protocol: SASL_PLAINTEXT, mechanism: PLAIN, username: u, password: '${file:secret}'}"
    config = yaml_file.load(SMALL.replace("  topics:", f"  security: {sign_in}\n  topics:"))
    assert config.kafka.security.password is not None
    assert config.kafka.security.password.get_secret_value() == "p$4: '{x}'"


def test_a_password_of_digits_stays_text(yaml_file: YamlFile) -> None:
    sign_in = "{protocol: SASL_PLAINTEXT, mechanism: PLAIN, username: u, password: '${P}'}"
    config = yaml_file.load(SMALL.replace("  topics:", f"  security: {sign_in}\n  topics:"), environ={"P": "0123"})
    assert config.kafka.security.password is not None
    assert config.kafka.security.password.get_secret_value() == "0123"


def test_a_secret_file_that_is_not_there_is_an_error(yaml_file: YamlFile) -> None:
    (found,) = yaml_file.problems(SMALL.replace("group_id: streamlake.orders", "group_id: ${file:nowhere}"))
    assert "kafka.group_id: the file " in found
    assert found.endswith("nowhere can't be read: No such file or directory")


CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "wrong",
    [
        "security: {protocol: SASL_PLAINTEXT, mechanism: PLAIN, username: u, password: [canary-7f3a]}",
        "security: {password: canary-7f3a}",
        "properties: {sasl.password: canary-7f3a}",
        "properties: {ssl.key.password: [canary-7f3a]}",
        "start: ${file:secret}",
        "group_protocol: prefix-${file:secret}",
    ],
)
def test_a_secret_is_never_printed(yaml_file: YamlFile, wrong: str) -> None:
    (yaml_file.path.parent / "secret").write_text(CANARY)
    found = yaml_file.problems(SMALL.replace("  topics:", f"  {wrong}\n  topics:"))
    assert found
    assert CANARY not in "\n".join(found)


def test_a_secret_is_not_in_the_model_s_own_text(yaml_file: YamlFile) -> None:
    sign_in = f"security: {{protocol: SASL_PLAINTEXT, mechanism: PLAIN, username: u, password: {CANARY}}}"
    more = f"{sign_in}\n  properties: {{ssl.keystore.password: {CANARY}}}"
    config = yaml_file.load(SMALL.replace("  topics:", f"  {more}\n  topics:"))
    assert CANARY not in f"{config!r} {config} {config.model_dump_json()}"


# --set


def test_a_setting_can_be_given_on_the_command_line(yaml_file: YamlFile) -> None:
    config = yaml_file.load(
        SMALL,
        "kafka.topics[order.raw].partitions=8",
        "kafka.topics[1].replication_factor=3",
        "kafka.topics[order.raw].config.retention.ms=5",
        "kafka.properties.fetch.wait.max.ms=7",
        "sink.root=gs://bucket/prefix",
        "batch.seconds_max=5m",
        "python_path=[a, b]",
    )
    assert config.kafka.topics[0].partitions == 8
    assert config.kafka.topics[0].config == {"retention.ms": "5"}
    assert config.kafka.topics[1].replication_factor == 3
    assert config.kafka.properties["fetch.wait.max.ms"].get_secret_value() == "7"
    assert config.sink.options["root"] == "gs://bucket/prefix"
    assert config.batch.seconds_max == 300.0
    assert [path.name for path in config.python_path] == ["a", "b"]


def test_a_setting_from_the_command_line_may_be_a_variable(yaml_file: YamlFile) -> None:
    assert yaml_file.load(SMALL, "kafka.group_id=${G}", environ={"G": "g"}).kafka.group_id == "g"


def test_an_overridden_variable_need_not_be_set(yaml_file: YamlFile) -> None:
    text = SMALL.replace("127.0.0.1:9092", "${SERVERS}")
    assert yaml_file.load(text, "kafka.bootstrap_servers=h:1").kafka.bootstrap_servers == "h:1"


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("sink.root", "must be path=value"),
        ("=3", "must be path=value"),
        ("kafka.topics[order.rew].partitions=8", "there is no item order.rew; did you mean order.raw?"),
        ("kafka.topics[7].partitions=8", "there is no item 7; there are: order.raw, order.late"),
        ("pipeline.name=x", "name can't be set: what stands above it is a single value"),
        ("pipeline.name.first=x", "name can't be set: what stands above it is a single value"),
        ("kafka..x=1", "is no path"),
        ("batch.rows_maxx=1", "unknown key; did you mean rows_max?"),
        ("batch.rows_max=x", "'x' must be a whole number"),
    ],
)
def test_a_wrong_override_is_answered_with_what_would_be_right(
    yaml_file: YamlFile, override: str, problem: str
) -> None:
    (found,) = yaml_file.problems(SMALL, override)
    assert found.startswith(f"--set {override.partition('=')[0]}")
    assert problem in found


# Files that are none


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x {b: 1}\nc: *x\n", ":2:4: not YAML: aliases (*name) are refused"),
        ("pipeline: a\npipeline: b\n", ":2:1: pipeline: stands here already"),
        ("a: {b: 1, b: 2}\n", ":1:11: a.b: stands here already"),
        ("pipeline: !!python/object/apply:os.system [id]\n", "the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("pipeline: [\n", ":2:1: not YAML"),
        ("kafka: {servers: ${S}}\n", ":1:19: not YAML: expected ',' or '}', but got '{'; inside { } a variable"),
        ("kafka:\n\tgroup_id: x\n", "indent with spaces, not with tabs"),
        ("a: 1\n---\nb: 2\n", ":2:1: not YAML: but found another document"),
        ("- a\n", "must be a mapping that begins with `pipeline: <name>`, not a list"),
        ("", "not an empty file"),
        ("[" * 100, "nested deeper than 32"),
        ("? [a]\n: b\n", "a key must be text, not a list"),
        ("a: \x01\n", "not YAML"),
        ("x: " + "y" * 300_000, "is larger than 256 KiB"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_place(yaml_file: YamlFile, text: str, problem: str) -> None:
    found = "\n".join(yaml_file.problems(text))
    assert problem in found


def test_a_file_that_is_not_utf_8_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"pipeline: \xff\n")
    with pytest.raises(ConfigError, match=r"x\.yaml:1:11: is not UTF-8 \(the byte 0xff\)"):
        load_pipeline(tmp_path / "x.yaml")
    with pytest.raises(ConfigError, match=r"y\.yaml: can't be read: No such file"):
        load_pipeline(tmp_path / "y.yaml")
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load_pipeline(tmp_path)


def test_yaml_1_1_s_surprises_are_text_and_numbers(yaml_file: YamlFile) -> None:
    text = SMALL.replace("{type: json}", "{type: json, a: no, b: 012, c: 12:30, d: 2026-01-31, e: on, f: ~, g: 0x1f}")
    found = yaml_file.load(text).validator.options
    assert found == {"a": "no", "b": 12, "c": "12:30", "d": "2026-01-31", "e": "on", "f": None, "g": 31}


def test_a_byte_order_mark_in_front_does_no_harm(yaml_file: YamlFile) -> None:
    assert yaml_file.load("\ufeff" + SMALL).pipeline == "orders"

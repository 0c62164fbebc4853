"""Several YAML files as one pipeline: what is merged, what is replaced, and which file a problem names."""

import os
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from support.yaml_file import SMALL

from streamlake.config.load import load_pipeline, located
from streamlake.config.model import PipelineConfig
from streamlake.engine.cli.main import streamlake
from streamlake.engine.errors import ConfigError
from streamlake.engine.reloading import Files as Reloaded


class Files:
    """`base.yaml`, and beside it or in folders below it the files that are laid on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def write(self, name: str, text: str) -> "Files":
        """One more file."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.names.append(name)
        return self

    @property
    def paths(self) -> list[Path]:
        """Their paths, in order."""
        return [self.folder / name for name in self.names]

    def load(self, *overrides: str, **environ: str) -> PipelineConfig:
        """The pipeline that they are together."""
        return load_pipeline(self.paths, overrides, environ)

    def problems(self, *overrides: str, **environ: str) -> list[str]:
        """What is wrong with them, without the folder's name in front."""
        with pytest.raises(ConfigError) as caught:
            self.load(*overrides, **environ)
        return [problem.replace(f"{self.folder}/", "") for problem in caught.value.problems]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path).write("base.yaml", SMALL)


def test_mappings_are_merged_by_key_and_the_last_file_decides(files: Files) -> None:
    files.write("prod.yaml", "kafka: {bootstrap_servers: 'k1:9092,k2:9092'}\nbatch: {rows_max: 7}\n")
    files.write("mine.yaml", "batch: {rows_max: 8, seconds_max: 5}\n")
    config = files.load()
    assert config.kafka.bootstrap_servers == "k1:9092,k2:9092"
    assert config.kafka.group_id == "streamlake.orders"
    assert (config.batch.rows_max, config.batch.seconds_max) == (8, 5)
    assert config.files == " ".join(str(path) for path in files.paths)


def test_list_items_are_merged_by_their_names_and_new_ones_come_last(files: Files) -> None:
    files.write("prod.yaml", "kafka:\n  topics:\n    - {name: order.late, partitions: 9}\n    - {name: order.new}\n")
    topics = files.load().kafka.topics
    assert [(topic.name, topic.partitions) for topic in topics] == [
        ("order.raw", 4),
        ("order.late", 9),
        ("order.new", None),
    ]


@pytest.mark.parametrize("topics", ["[{name: x}, {name: x}]", "[{name: x}, {partitions: 1}]", "[]", "[x]"])
def test_a_list_whose_items_have_no_names_of_their_own_is_replaced(files: Files, topics: str) -> None:
    files.write("prod.yaml", f"kafka: {{topics: {topics}}}\n")
    found = files.problems()
    assert found
    assert all(problem.startswith("prod.yaml:1:") for problem in found)


def test_other_values_are_replaced_as_a_whole(files: Files) -> None:
    files.write("prod.yaml", "python_path: [a, b]\nhttp: {streams: {orders: {topic: order.raw}}}\n")
    files.write("mine.yaml", "python_path: [c]\nhttp:\n")
    config = files.load()
    assert [path.name for path in config.python_path] == ["c"]
    assert config.http is None


def test_a_problem_names_the_file_that_the_value_came_from(files: Files) -> None:
    files.write("prod.yaml", "batch:\n  rows_max: 0\nkafka:\n  topics:\n  - name: order.late\n    partitions: 0\n")
    files.write("mine.yaml", "kafka: {group_idd: x, group_id: ''}\nsink: 7\n")
    assert [problem.split(": ")[:2] for problem in files.problems("batch.seconds_max=0", "workers.max=x")] == [
        ["prod.yaml:2:13", "batch.rows_max"],
        ["prod.yaml:6:17", "kafka.topics[order.late].partitions"],
        ["mine.yaml:1:9", "kafka.group_idd"],
        ["mine.yaml:1:33", "kafka.group_id"],
        ["mine.yaml:2:7", "sink"],
        ["--set batch.seconds_max", "0 must be at least 0.05"],
        ["--set workers.max", "'x' must be a whole number"],
    ]


def test_a_mistake_that_a_later_file_puts_right_is_none(files: Files) -> None:
    files.write("prod.yaml", "batch: {rows_max: ${ROWS}}\nworkers: {max: '${MAX}'}\n".replace("${ROWS}", "0"))
    files.write("mine.yaml", "batch: {rows_max: 5}\nworkers: {max: 6}\n")
    assert files.load().batch.rows_max == 5
    assert files.load().workers.max == 6


def test_a_later_file_s_value_is_looked_at_though_the_one_it_replaces_could_not_be_read(files: Files) -> None:
    files.write("a.yaml", "batch: {rows_max: !!int x}\n").write("b.yaml", "batch: {rows_max: 0}\n")
    files.write("c.yaml", "workers: {max: !!int x}\n")
    assert [problem.split(": ", 1) for problem in files.problems()] == [
        ["a.yaml:1:19", "batch.rows_max: what stands here is no int"],
        ["b.yaml:1:19", "batch.rows_max: 0 must be at least 1"],
        ["c.yaml:1:16", "workers.max: what stands here is no int"],
    ]


def test_every_file_that_is_no_yaml_is_told(files: Files) -> None:
    files.write("a.yaml", "a: [\n").write("b.yaml", "batch: {rows_max: 1, rows_max: 2}\n").write("c.yaml", "")
    assert [problem.split(": ")[0] for problem in files.problems()] == ["a.yaml:2:1", "c.yaml", "b.yaml:1:22"]


def test_a_part_alone_need_not_be_a_pipeline(files: Files, tmp_path: Path) -> None:
    part = Files(tmp_path).write("part.yaml", "batch: {rows_max: 5}\n")
    assert "pipeline: is missing" in "\n".join(part.problems())
    assert files.write("part.yaml", "batch: {rows_max: 5}\n").load().batch.rows_max == 5


def test_paths_and_secret_files_start_at_the_file_in_which_they_stand(files: Files) -> None:
    (files.folder / "prod").mkdir()
    (files.folder / "prod" / "group").write_text("from.prod\n")
    (files.folder / "password").write_text("from base\n")
    of_base = "{protocol: SASL_SSL, mechanism: PLAIN, username: u, password: '${file:password}', ca: base.pem}"
    files.write("more.yaml", f"kafka:\n  security: {of_base}\n")
    sign_in = "{certificate: '${C:-c.pem}', key: key.pem}"
    files.write(
        "prod/prod.yaml", f"python_path: [models]\nkafka: {{group_id: '${{file:group}}', security: {sign_in}}}\n"
    )
    config = files.load()
    assert config.python_path == (files.folder / "prod" / "models",)
    assert config.kafka.group_id == "from.prod"
    security = config.kafka.security
    assert security.password is not None
    assert security.password.get_secret_value() == "from base"
    assert security.ca == files.folder / "base.pem"
    assert (security.certificate, security.key) == (files.folder / "prod" / "c.pem", files.folder / "prod" / "key.pem")
    assert config.base_dir == files.folder


def test_texts_of_a_file_elsewhere_are_plain_texts_for_settings_and_plugins(files: Files) -> None:
    files.write("prod/prod.yaml", "policies: {gap: record}\nsink: {root: elsewhere, deep: [{a: x}]}\n")
    config = files.load()
    assert config.policies.gap == "record"
    assert [type(value) for value in config.sink.options.values()] == [str, list]
    assert config.sink.options["deep"] == [{"a": "x"}]


def test_what_a_plugin_found_is_told_with_its_own_file(files: Files) -> None:
    files.write("prod.yaml", "\nsink: {format: csv}\n")
    found = located(["sink.root: is full", "sink.format: is odd", "the rest"], files.paths, ["sink.x=1"])
    assert [problem.replace(f"{files.folder}/", "") for problem in found] == [
        "base.yaml: the rest",
        "base.yaml:9:20: sink.root: is full",
        "prod.yaml:2:8: sink.format: is odd",
    ]


OTHERS = {"run": ["r"], "key_id": ["abcdefgh"], "out": ["out.jsonl"], "place": ["order.raw/0/0"]}
"""What a command takes beside the files, by its arguments' names."""

NEEDED = {
    "produce": ["--stdin"],
    "keys new": ["--name", "n"],
    "dead redrive": ["--to", "source", "--yes"],
    "offsets plan": ["--to", "earliest"],
    "offsets reset": ["--to", "earliest", "--reason", "r", "--yes"],
}
"""Options without which a command does not begin."""


def test_every_command_takes_several_files_before_its_other_arguments(files: Files) -> None:
    """Each is given a second file that is wrong, and says so: it was read."""
    files.write("wrong.yaml", "batch: {rows_max: 0}\n")
    seen = 0
    for names, command in _commands(streamlake, ()):
        arguments = [one for one in command.params if isinstance(one, click.Argument) and one.name]
        named = [one.name for one in arguments if one.name]
        if named[:1] != ["pipeline"] or arguments[0].nargs != -1:  # `init` writes one
            continue
        others = [word for name in named[1:] for word in OTHERS[name]]
        words = [*map(str, files.paths), *others, *NEEDED.get(" ".join(names), [])]
        result = CliRunner().invoke(streamlake, [*names, *words])
        said = f"{result.exception} {result.output}"
        assert "wrong.yaml:1:19: batch.rows_max: 0 must be at least 1" in said, (names, said)
        seen += 1
    assert seen >= 25


def _commands(group: click.Group, names: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = _commands(command, (*names, name)) if isinstance(command, click.Group) else [((*names, name), command)]
        found += below
    return found


def test_a_reload_reads_all_of_them_again(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SIGHUP calls, in `run` and in `serve`."""
    files.write("prod.yaml", "http: {streams: {orders: {topic: order.raw}}}\n")
    reloads: list[Callable[[], PipelineConfig]] = []

    def run(*_: object, files: Reloaded, **__: object) -> int:
        reloads.append(files.read)
        return 0

    def serve(_: object, __: object, reload: Callable[[], PipelineConfig]) -> None:
        reloads.append(reload)

    monkeypatch.setattr("streamlake.engine.assembly.run_pipeline", run)
    monkeypatch.setattr("streamlake.http_edge.server.serve", serve)
    for command in ("run", "serve"):
        assert CliRunner().invoke(streamlake, [command, *map(str, files.paths)]).exit_code == 0
    for name in files.names:
        (files.folder / name).write_text(f"{(files.folder / name).read_text()}batch: {{{ROWS[name]}: 77}}\n")
    assert [(one().batch.rows_max, one().batch.seconds_max) for one in reloads] == [(77, 77), (77, 77)]


ROWS = {"base.yaml": "rows_max", "prod.yaml": "seconds_max"}


def test_what_follows_two_dashes_is_gunicorns(files: Files) -> None:
    files.write("prod.yaml", "http: {listen: '127.0.0.1:0', streams: {orders: {topic: order.raw}}}\n")
    result = CliRunner().invoke(streamlake, ["serve", *map(str, files.paths), "--", "--workers", "3"])
    assert "workers: said by the YAML's http:" in str(result.exception)
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ, "its folder is gone, and others would look for it"


def test_an_edge_of_ones_own_takes_several_files_too(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlake.http_edge import asgi  # noqa: PLC0415  # heavy

    files.write("prod.yaml", "batch: {rows_max: 0}\n")
    monkeypatch.setenv(asgi.VARIABLE, os.pathsep.join(map(str, files.paths)))
    with pytest.raises(ConfigError, match=r"prod\.yaml:1:19: batch\.rows_max"):
        _ = asgi.app


def test_a_setting_without_set_in_front_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; a setting is given with --set in front"):
        load_pipeline([tmp_path / "sink.root=x"])

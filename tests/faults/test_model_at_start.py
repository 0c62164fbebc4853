"""A model that ends or hangs the process that imports it, or prints, harms no command: it is tried apart."""

import json
from pathlib import Path

import pytest
from support.engine import streamlake
from support.poisons import never_end
from support.scene import MakeScene
from support.yaml_file import SMALL, YamlFile

from streamlake.engine import validator_trial
from streamlake.engine.errors import ConfigError
from streamlake.engine.trial import Trial
from streamlake.engine.validator_trial import try_validator

MODEL = "from pydantic import BaseModel\n\n\nclass Order(BaseModel):\n    order: int\n"
ENDED = "to make it ended its process (exit code 0)"
FOREIGN = SMALL.replace("{type: json}", '{type: pydantic, model: "ending_model:Order"}') + "python_path: [.]\n"


@pytest.fixture
def ending(tmp_path: Path) -> Path:
    """A YAML whose model ends its process with 0."""
    (tmp_path / "ending_model.py").write_text("import os\nprint('here')\nos._exit(0)\n")
    file = tmp_path / "pipeline.yaml"
    file.write_text(FOREIGN)
    return file


@pytest.mark.parametrize("command", ["run", "explain", "dry-run"])
def test_a_model_that_ends_its_process_at_import_ends_a_command_with_78(ending: Path, command: str) -> None:
    ended = streamlake(command, str(ending))
    assert (ended.returncode, ended.stdout) == (78, "")
    assert f"{ending}:8:1: validator: {ENDED}" in ended.stderr


def test_validate_says_so_beside_what_else_there_is_and_its_json_stays_json(ending: Path) -> None:
    ending.write_text(FOREIGN.replace("root: lake", "root: lake, format: csv"))
    found = streamlake("validate", "--offline", "--json", str(ending))
    assert (found.returncode, found.stderr) == (78, "here\n")
    said = [problem["message"] for problem in json.loads(found.stdout)["problems"]]
    assert said == [f"validator: {ENDED}", "sink.format: 'csv' is not known; one of parquet, jsonl"]


def test_validate_tries_the_models_of_the_edge_too(ending: Path) -> None:
    stream = "http: {streams: {orders: {topic: order.raw, validator: {type: pydantic, model: 'ending_model:Order'}}}}\n"
    ending.write_text(SMALL + stream + "python_path: [.]\n")
    found = streamlake("validate", "--offline", str(ending))
    assert found.returncode == 78
    assert f"http.streams: {ENDED}" in found.stdout


def test_one_that_never_ends_is_waited_for_no_longer_than_its_time() -> None:
    trial = Trial(never_end, seconds_max=1.0, setting="http.streams")
    with pytest.raises(ConfigError, match=r"^http\.streams: to make it took more than 1 s"):
        trial.wait()
    assert not trial._child.is_alive()


def test_a_validator_of_ours_alone_costs_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validator_trial, "try_apart", lambda *_, **__: pytest.fail("a process was made"))
    try_validator(YamlFile(tmp_path).load())


def test_what_a_model_prints_is_a_log_line_in_the_trial_and_in_each_worker(
    make_scene: MakeScene, tmp_path: Path
) -> None:
    text = "import sys\nprint('to out')\nprint('to', 'err', file=sys.stderr, end='')\n"
    (tmp_path / "printing_model.py").write_text(text + MODEL)
    model = {"type": "pydantic", "model": "printing_model:Order"}
    scene = make_scene(partitions=1, python_path=["."], validator=model)
    scene.produce([b'{"order": 1}'])
    engine = scene.run()
    assert len(engine.lines) == len(engine.text), "each line is JSON"
    printed = [(one["text"], one.get("partition")) for one in engine.events("output of a plugin", level="info")]
    worker = f"{scene.topic}/0"
    assert printed == [("to out", None), ("to err", None), ("to out", worker), ("to err", worker)]

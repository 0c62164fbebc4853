"""What the fault tests share: a scene with topics and a root of its own for each of them."""

from pathlib import Path

import pytest
from support.scene import MakeScene, Scene, make_scene_in
from support.shared import SharedKafka


@pytest.fixture
def make_scene(kafka: SharedKafka, tmp_path: Path) -> MakeScene:
    """Makes a scene on the shared Kafka (or on `servers`), below the test's own folder."""
    return make_scene_in(tmp_path, kafka.bootstrap_servers)


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    """A scene with one partition and the settings of `pipeline_yaml`."""
    return make_scene()

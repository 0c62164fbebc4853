"""Scenes on the Kafka with TLS and sign-ins: topics are made over its open listener, engines come by the others."""

from functools import partial
from pathlib import Path

import pytest
from support.secure import MakeSecureScene, SecureKafka, secure_scene_in


@pytest.fixture
def secure_scene(secured: SecureKafka, tmp_path: Path) -> MakeSecureScene:
    """Makes a scene whose pipeline comes in by a listener: `secure_scene("SECURE", mechanism="PLAIN")`."""
    return partial(secure_scene_in, secured, tmp_path)

"""Lands given messages where a pipeline's YAML says, as the engine's testing pipeline does, but as real files."""

from collections.abc import Sequence
from pathlib import Path

from streamlake.config.load import load_pipeline
from streamlake.config.model import PipelineConfig
from streamlake.engine.registry import add_python_path
from streamlake.engine.testing import pipeline as testing
from streamlake.engine.testing.messages import Message, Value, given
from streamlake.engine.worker_main import make_sink


def land(pipeline: Path, messages: Sequence[Message | Value]) -> PipelineConfig:
    """Land `messages`, each partition by one worker's life; more can be landed behind them. The pipeline, loaded."""
    config = load_pipeline(pipeline)
    add_python_path(config.python_path)
    batches = given(messages, config.kafka.topic_names)
    identity = make_sink(config).register_run(testing._identity(config, batches))
    for batch in batches.values():
        testing._land(config, identity, batch)
    return config

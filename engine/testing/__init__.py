"""For tests of pipelines and of plugins: `run_pipeline`, `check_sink` and `check_validator` (docs/testing.md)."""

from streamlake.engine.testing.messages import Message
from streamlake.engine.testing.pipeline import Outcome, Place, Row, RunPipeline, run_pipeline

__all__ = ["Message", "Outcome", "Place", "Row", "RunPipeline", "run_pipeline"]

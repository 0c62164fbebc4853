"""For tests of pipelines and of plugins: `run_pipeline`, `check_sink` and `check_validator` (docs/testing.md)."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlake.engine.testing.checks import BrokenContractError, Check, expect
    from streamlake.engine.testing.messages import Message
    from streamlake.engine.testing.pipeline import Outcome, Place, Row, RunPipeline, run_pipeline
    from streamlake.engine.testing.sink_bench import SinkBench
    from streamlake.engine.testing.sinks import SINK_CHECKS, check_sink
    from streamlake.engine.testing.validators import VALIDATOR_CHECKS, ValidatorBench, check_validator

__all__ = [
    "SINK_CHECKS",
    "VALIDATOR_CHECKS",
    "BrokenContractError",
    "Check",
    "Message",
    "Outcome",
    "Place",
    "Row",
    "RunPipeline",
    "SinkBench",
    "ValidatorBench",
    "check_sink",
    "check_validator",
    "expect",
    "run_pipeline",
]

_MODULES = {
    "checks": ("BrokenContractError", "Check", "expect"),
    "messages": ("Message",),
    "pipeline": ("Outcome", "Place", "Row", "RunPipeline", "run_pipeline"),
    "sink_bench": ("SinkBench",),
    "sinks": ("SINK_CHECKS", "check_sink"),
    "validators": ("VALIDATOR_CHECKS", "ValidatorBench", "check_validator"),
}
"""Imported when asked for: the processes that a suite starts need neither Kafka's client nor the YAML."""


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__} has no attribute {name}")

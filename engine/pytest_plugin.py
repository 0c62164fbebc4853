"""The pytest fixture `streamlake_pipeline`; pytest loads this wherever StreamLake is installed, so it is light."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # Arrow and the like are loaded by the first test that uses the fixture
    from streamlake.config.model import PipelineConfig
    from streamlake.engine.testing import Message, Outcome, RunPipeline
    from streamlake.engine.testing.messages import Value


@pytest.fixture
def streamlake_pipeline(request: pytest.FixtureRequest) -> "RunPipeline":
    """`streamlake.engine.testing.run_pipeline`; a relative path starts at pytest's root folder (`rootdir`)."""
    from streamlake.engine.testing import run_pipeline  # noqa: PLC0415  # see above

    def run(
        pipeline: "str | Path | PipelineConfig",
        messages: "Sequence[Message | Value]",
        *,
        overrides: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> "Outcome":
        if isinstance(pipeline, str | Path):
            pipeline = request.config.rootpath / pipeline
        return run_pipeline(pipeline, messages, overrides=overrides, environ=environ)

    return run

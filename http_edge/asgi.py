"""The edge's application for a gunicorn of your own: `gunicorn -k …EdgeWorker streamlake.http_edge.asgi:app`.

STREAMLAKE_PIPELINE names the YAML, or several with `:` between. `streamlake serve` does not need this: it starts
gunicorn itself.
"""

import os
from functools import cache
from pathlib import Path

from streamlake.config.load import load_pipeline
from streamlake.engine.errors import ConfigError
from streamlake.engine.logs import configure_logs
from streamlake.http_edge.application import make_app
from streamlake.http_edge.gate import Gate

VARIABLE = "STREAMLAKE_PIPELINE"


@cache
def _app() -> Gate:
    named = os.environ.get(VARIABLE)
    if named is None:
        raise ConfigError(f"{VARIABLE} is missing: the path of the pipeline's YAML")
    config = load_pipeline([Path(path) for path in named.split(os.pathsep)])
    if config.http is None:
        raise ConfigError(f"{config.files}: http: is missing: the HTTP edge is described there (docs/http.md)")
    configure_logs("json", pipeline=config.pipeline)
    return make_app(config)


def __getattr__(name: str) -> Gate:
    """`app`, made when it is asked for: whoever only imports this module need not have a pipeline."""
    if name != "app":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return _app()

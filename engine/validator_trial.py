"""Tries a pipeline's validator before anything depends on it: a user's module in a process of its own."""

from collections.abc import Callable
from functools import partial

from streamlake.config.model import PipelineConfig, PluginSettings
from streamlake.engine import worker_main
from streamlake.engine.child import PRELOAD_FIRST, PRELOAD_LAST
from streamlake.engine.errors import ConfigError
from streamlake.engine.forking import start_forkserver
from streamlake.engine.printed import apart
from streamlake.engine.registry import import_path
from streamlake.engine.trial import Trial
from streamlake.engine.worker_main import make_validator

OURS = "streamlake.plugins."


def try_validator(config: PipelineConfig, *, forkserver_runs: bool = False) -> None:
    """Make the pipeline's validator once. Raises ConfigError, also where that ends its process or takes too long."""
    make = partial(make_validator, config)
    if runs_foreign_code(config.validator):
        try_apart(make, forkserver_runs=forkserver_runs)
    else:
        make()


def runs_foreign_code(section: PluginSettings) -> bool:
    """Whether a module of a user's is imported to make this validator: a class of theirs, or a model for one of ours.

    One that imports nothing foreign can't end or hang a process, and costs no process. Of one that there is not nothing
    is imported: whoever makes it says so.
    """
    try:
        path = import_path("validator", section.type)
    except ConfigError:
        return False
    return not path.startswith(OURS) or "model" in section.options


def try_apart(make: Callable[[], object], setting: str = "validator", *, forkserver_runs: bool = False) -> None:
    """Call `make` (pickled: a plain function) in a process of its own, and wait for it. Raises ConfigError.

    `setting` is what an end without a word is blamed on.
    """
    if not forkserver_runs:
        start_forkserver((PRELOAD_FIRST, worker_main.__name__, PRELOAD_LAST), fork=True)
    Trial(apart(make), setting=setting).wait()

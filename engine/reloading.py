"""A pipeline's YAML, read again on SIGHUP: refused as a whole, or new orders once its validator could be made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from streamlake.config.model import PipelineConfig
from streamlake.engine.errors import ConfigError
from streamlake.engine.printed import apart
from streamlake.engine.standing_orders import Orders
from streamlake.engine.trial import Trial
from streamlake.engine.worker_main import make_validator

FIXED_WHILE_RUNNING = ("pipeline", "kafka", "sink", "metrics", "python_path")


@dataclass(frozen=True, slots=True)
class Files:
    """The YAML files that an engine was started from. Both calls raise ConfigError where they can't be read."""

    read: Callable[[], PipelineConfig]
    placed: Callable[[Sequence[str]], Sequence[str]]
    """Puts file, line and column before problems that name a setting."""


class Reloading:
    """What `Supervisor` is given on SIGHUP (`Reload`). Raises ConfigError where something fixed has changed."""

    def __init__(self, config: PipelineConfig, files: Files | None, orders: Callable[[PipelineConfig], Orders]) -> None:
        """`config` is what the engine runs by; `orders` makes them of the new one."""
        if files is None:
            raise ConfigError("this engine was not started from a YAML file, there is nothing to read again")
        self._files, self._make_orders = files, orders
        self._new = files.read()
        changed = [name for name in FIXED_WHILE_RUNNING if getattr(self._new, name) != getattr(config, name)]
        if changed:
            fixed = [f"{name}: can't change while the engine runs; stop it and start it again" for name in changed]
            raise ConfigError(*files.placed(fixed))
        # Not in this process: it has the user's modules as they were when it started.
        self._trial = Trial(apart(partial(make_validator, self._new)))

    def orders(self) -> Orders | None:
        """The new orders; None while the validator is tried. Raises ConfigError where it can't be made."""
        try:
            return self._make_orders(self._new) if self._trial.passed() else None
        except ConfigError as error:
            raise ConfigError(*self._files.placed(error.problems)) from None

    def drop(self) -> None:
        """Nobody waits for it any more."""
        self._trial.drop()

"""What the DAGs share: where pipelines lie, how an operation's result becomes a task's, retries, and forms.

Nothing of the engine is imported when Airflow reads a DAG: tasks import it when they run.
"""

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypedDict

from airflow.sdk import Context, Param, get_current_context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

ALL = "(all of them)"
"""The choice of a form that means every pipeline."""
MORE = "More"
"""The section of a form that is closed at first: for what is seldom said."""
LABEL = "{{ label }}"
"""The `map_index_template` of mapped tasks."""
HANDFUL = 4
"""Tasks of one DAG run that land at once; the pool limits those of all runs."""
TAGS = ["streamlake"]
ANSWER_WITHIN = timedelta(days=3)
"""An approval that nobody gave by then has failed, and nothing is written."""

QUALITY_CRON = os.environ.get("STREAMLAKE_QUALITY_CRON", "7 * * * *")
"""When data quality looks by itself, in UTC: some minutes after the hour, for what comes late."""
PROVE_CRON = os.environ.get("STREAMLAKE_PROVE_CRON", "17 3 * * *")
"""When all pipelines are proven, in UTC."""

log = logging.getLogger("streamlake.dags")


class Told(Protocol):
    """What an operation gives back (`engine/operations/task_types.py`)."""

    @property
    def sentence(self) -> str:
        """What was done, how much, where; or why not."""

    @property
    def details(self) -> Sequence[str]:
        """Lines for whoever looks closer."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The same for programs."""

    @property
    def verdict(self) -> str:
        """`done`; `refused`, where trying again can't help; `again`, where it may."""


class Light(TypedDict):
    """Settings of tasks that look."""

    execution_timeout: timedelta
    show_return_value_in_logs: bool


class Heavy(Light):
    """Settings of tasks that read or write much."""

    pool: str


def pipelines() -> list[str]:
    """What lies in the folder STREAMLAKE_PIPELINES: each YAML, each folder of YAMLs. Raises ValueError for none."""
    folder = os.environ.get("STREAMLAKE_PIPELINES", "")
    if not folder:
        raise ValueError("STREAMLAKE_PIPELINES is not set: name the folder in which your pipelines' YAML files lie")
    named = [*_yaml_files(Path(folder)), *(path.parent for path in _yaml_files(Path(folder), "*/*"))]
    if not named:
        raise ValueError(f"STREAMLAKE_PIPELINES={folder}: no *.yaml lies there; put your pipelines' YAML files in it")
    return sorted({path.stem if path.is_file() else path.name for path in named})


def pipeline_files(name: str) -> tuple[Path, ...]:
    """The YAML of a pipeline that `pipelines` has named, or those of its folder, in the order in which they merge."""
    folder = Path(os.environ["STREAMLAKE_PIPELINES"])
    alone = [path for path in _yaml_files(folder) if path.stem == name]
    return tuple(alone[:1] or _yaml_files(folder / name))


def _yaml_files(folder: Path, pattern: str = "*") -> list[Path]:
    """By name, without those that begin with `_` or `.`, or lie in a folder that does."""
    found = (path for path in folder.glob(pattern) if path.suffix in (".yaml", ".yml") and path.is_file())
    return sorted(path for path in found if not {part[0] for part in path.relative_to(folder).parts} & {"_", "."})


def chosen(name: str) -> list[str]:
    """The pipeline of a form, or all of them."""
    return pipelines() if name == ALL else [name]


def form() -> dict[str, Any]:
    """What was filled in, by the names of the DAG's parameters; Airflow has checked what it knows.

    Raises AirflowFailException for a name that no parameter has: by REST Airflow lets it pass, and does the default.
    """
    context = get_current_context()
    said, known = dict(context["params"]), list(context["dag"].params)
    if unknown := sorted(set(said) - set(known)):
        raise AirflowFailException(f"there is no parameter {', '.join(unknown)}; there are {', '.join(known)}")
    return said


def label(text: str) -> None:
    """What a mapped task is called in Airflow's pages, instead of its number: for LABEL."""
    context: dict[str, Any] = {"label": text}
    get_current_context().update(context)  # type: ignore[typeddict-item]  # it takes more than it says


def finish(told: Told) -> dict[str, Any]:
    """Log what an operation tells, and give it to XCom as `said`, `details` and its data.

    Raises AirflowFailException where trying again can't help, AirflowException where it may.
    """
    if told.details:
        log.info("::group::%d details", len(told.details))
        for line in told.details:
            log.info("%s", line)
        log.info("::endgroup::")
    if told.verdict == "refused":
        raise AirflowFailException(told.sentence)
    if told.verdict == "again":
        raise AirflowException(told.sentence)
    log.info("%s", told.sentence)
    return {"said": told.sentence, "details": list(told.details), **told.data}


def tell_failure(context: Context) -> None:
    """`on_failure_callback`: one line that an alert can look for, with what failed, why, and where to look."""
    task, run = context["task_instance"], context["dag_run"]
    log.error(
        "streamlake failed: %s in %s, run %s, pipeline %s: %s. Nothing is half done: mend it, then clear the task",
        task.task_id,
        task.dag_id,
        run.run_id,
        context["params"].get("pipeline"),
        context.get("exception"),
    )


@contextmanager
def output_of_workers() -> Iterator[None]:
    """Let worker processes log to standard output: what they write to standard error Airflow takes for errors."""
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(1, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def defaults() -> dict[str, Any]:
    """Three tries, half a minute or longer between them: each operation goes on where it was. A failure is told."""
    return {
        "owner": "streamlake",
        "retries": 2,
        "retry_delay": timedelta(seconds=float(os.environ.get("STREAMLAKE_RETRY_SECONDS", "30"))),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=10),
        "on_failure_callback": tell_failure,
    }


def light(*, minutes: float) -> Light:
    """No longer than so many minutes; what they give back is in XCom, and in a sentence of the log."""
    return {"execution_timeout": timedelta(minutes=minutes), "show_return_value_in_logs": False}


def heavy(*, hours: float) -> Heavy:
    """In the pool STREAMLAKE_POOL, and no longer than so many hours.

    It is Airflow's own pool by default: a task in a pool that is not there waits for ever, and nothing fails.
    """
    pool = os.environ.get("STREAMLAKE_POOL", "default_pool")
    return {"pool": pool, **light(minutes=60 * hours)}


def pipeline_param(names: list[str], *, or_all: bool = False) -> Param:
    """Which pipeline; with `or_all` all of them, which is the default then."""
    choices = [ALL, *names] if or_all else names
    return Param(
        choices[0],
        type="string",
        enum=choices,
        title="Pipeline",
        description="By the name of its YAML file, or of its folder of them, in the folder STREAMLAKE_PIPELINES",
    )


def text_param(title: str, description_md: str, **schema: Any) -> Param:
    """A text that may be left out."""
    return Param(None, type=["null", "string"], title=title, description_md=description_md, **schema)


def yes_param(title: str, description_md: str, *, default: bool = False, **schema: Any) -> Param:
    """Yes or no."""
    return Param(default, type="boolean", title=title, description_md=description_md, **schema)


BOUND = (
    r"^(earliest|latest|[0-9]{1,18}|-[0-9]+(\.[0-9]+)?(ms|s|m|h|d)"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)$"
)
"""What a bound of a replay looks like; what it means is looked at by the first task."""

MOMENT = (
    r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d)"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2}))$"
)
"""A timestamp with its zone, or how long ago."""

TOPIC = r"^[A-Za-z0-9._-]{1,249}$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


def range_params(*, without: str, replay: bool) -> Mapping[str, Param]:
    """From where to where, of which partitions; `without` says what it means where nothing is said."""
    bound = "`earliest`, `latest`, an offset, a timestamp with its zone (2026-01-31T06:00:00Z), or how long ago (-2h)"
    examples = ["earliest", "latest", "12345", "2026-01-31T06:00:00Z", "-2h"]
    return {
        "from": text_param("From", f"{bound}. {without}", pattern=BOUND, examples=examples),
        "to": text_param(
            "To",
            f"As above; what lies at it is not in it. {without}",
            pattern=BOUND,
            examples=examples,
        ),
        "topic": text_param("Topic", "Only this topic. Nothing: all that it reads", pattern=TOPIC, examples=["orders"]),
        "partitions": text_param(
            "Partitions",
            "Only these, of one topic, as in 0,3-5. Nothing: all",
            pattern=r"^[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*$",
            examples=["0", "0,3-5"],
        ),
        "timezone": text_param(
            "Time zone",
            "Of timestamps that name none, as in Europe/Berlin",
            maxLength=64,
            section=MORE,
            examples=["UTC", "Europe/Berlin", "America/New_York"],
        ),
        "name": text_param(
            "Run",
            "A name for the run. Nothing: one made from its offsets. That of a run that is there goes on with it"
            if replay
            else "Go on with this backfill (backfill-1). Nothing: a new one, or the one of the same range",
            pattern=NAME,
            section=MORE,
        ),
    }


def moment_param(title: str, description_md: str) -> Param:
    """A point in time that may be left out."""
    examples = ["2h", "7d", "2026-01-31T06:00:00Z"]
    return text_param(title, description_md, pattern=MOMENT, examples=examples)

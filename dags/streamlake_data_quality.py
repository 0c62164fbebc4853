"""Mark the hours that have wholly landed, and check what landed: each hour, for each complete hour, and when asked.

* **Each hour**: **mark** looks, for each pipeline, which hours are complete, and writes their markers. New ones are
  told to the asset `streamlake://<pipeline>/hour`: other DAGs wait for it, `schedule=Asset("streamlake://orders/hour")`,
  and find `hours` in the event, each with `hour`, `since` and `until`. **check** makes the YAML's checks of what landed
  in the last hour.
* **For each complete hour**, by that asset: **check** looks at all that landed since it began, until it was complete.
* **When asked**: over the time in the form; without one, over all that landed.

Results are kept below `quality/` of the root. A check of severity error that fails fails its task.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import (
    Asset,
    AssetAlias,
    AssetAny,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    Param,
    dag,
    get_current_context,
)

sys.path.insert(0, str(Path(__file__).parent))  # Airflow has only the root of its folder of DAGs there

from streamlake_common import (
    ALL,
    HANDFUL,
    LABEL,
    QUALITY_CRON,
    TAGS,
    chosen,
    defaults,
    finish,
    form,
    heavy,
    label,
    light,
    moment_param,
    pipeline_files,
    pipeline_param,
    pipelines,
)
from streamlake_links import task

NAMES = pipelines()
HOURS = AssetAlias("streamlake-hours")
"""Stands for the assets of all pipelines: which of them a task tells is known when it has looked."""


def hour_of(pipeline: str) -> Asset:
    """The asset that says that an hour of a pipeline has wholly landed."""
    return Asset(f"streamlake://{pipeline}/hour")


@task(**light(minutes=5))
def to_mark() -> list[str]:
    """Whose hours are looked at: none in a run that an hour has triggered."""
    return [] if get_current_context()["triggering_asset_events"] else chosen(form()["pipeline"])


@task(map_index_template=LABEL, max_active_tis_per_dagrun=HANDFUL, outlets=[HOURS], **heavy(hours=1))
def mark(name: str) -> dict[str, Any]:
    """Mark a pipeline's complete hours, and tell its asset."""
    from streamlake.engine.operations.task_quality import complete_hours  # noqa: PLC0415  # heavy

    label(name)
    context = get_current_context()
    begun = context["dag_run"].start_date
    assert begun is not None, "this run has begun"
    found = finish(complete_hours(pipeline_files(name), begun.isoformat()))
    if found["hours"]:  # in one event: of several at once Airflow hands the first alone to the run that it begins
        context["outlet_events"][HOURS].add(hour_of(name), extra={"hours": found["hours"]})
    return found


@task(**light(minutes=5))
def to_check() -> list[dict[str, Any]]:
    """Which ranges of time of which pipelines."""
    context, said = get_current_context(), form()
    events = context["triggering_asset_events"]
    told = [
        {"pipeline": name, **hour}
        for name in NAMES
        for event in events.get(hour_of(name), ())
        for hour in event.extra["hours"]
    ]
    if told:
        return told
    since, until = said["since"], said["until"]
    if context["dag_run"].run_type == "scheduled":
        end = context["dag_run"].run_after.replace(minute=0, second=0, microsecond=0)
        since, until = (end - timedelta(hours=1)).isoformat(), end.isoformat()
    return [{"pipeline": name, "since": since, "until": until} for name in chosen(said["pipeline"])]


@task(map_index_template=LABEL, max_active_tis_per_dagrun=HANDFUL, **heavy(hours=2))
def check(one: dict[str, Any]) -> dict[str, Any]:
    """Make the checks of one pipeline over one range."""
    from streamlake.engine.operations.task_quality import check_quality  # noqa: PLC0415  # heavy

    label(f"{one['pipeline']} {one.get('hour') or one['since'] or ALL}")
    return finish(check_quality(pipeline_files(one["pipeline"]), one["since"], one["until"], form()["checks"]))


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(QUALITY_CRON, timezone="UTC"),
        assets=AssetAny(*(hour_of(name) for name in NAMES)),
    ),
    catchup=False,
    max_active_runs=2,
    dagrun_timeout=timedelta(hours=6),
    default_args=defaults(),
    doc_md=__doc__,
    tags=TAGS,
    params={
        "pipeline": pipeline_param(NAMES, or_all=True),
        "since": moment_param("Since", "What landed at that time or later"),
        "until": moment_param("Until", "What landed before that time"),
        "checks": Param(
            [],
            type="array",
            items={"type": "string", "minLength": 1},
            title="Checks",
            description_md="Only these, by name. Nothing: all of the YAML",
        ),
    },
)
def streamlake_data_quality() -> None:
    """What to look at, then a task for each pipeline and for each range of time."""
    names: Any = to_mark()
    ranges: Any = to_check()
    mark.expand(name=names)
    check.expand(one=ranges)


streamlake_data_quality()

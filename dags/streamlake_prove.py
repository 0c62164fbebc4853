"""Prove, each night or when asked, that every offset of a pipeline stands in exactly one place.

It reads the ledger, the files and, with **kafka**, the topics; it writes nothing, and engines go on beside it. A proof
that fails fails its task at once, since trying again finds the same: its log has the defects, and
`streamlake prove` on a shell has all of them. Each pipeline has a task of its own.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag

sys.path.insert(0, str(Path(__file__).parent))  # Airflow has only the root of its folder of DAGs there

from streamlake_common import (
    HANDFUL,
    LABEL,
    NAME,
    PROVE_CRON,
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
    text_param,
    yes_param,
)
from streamlake_links import task

NAMES = pipelines()


@task(**light(minutes=5))
def plan() -> list[str]:
    """Which pipelines are proven; refuses what can't be meant."""
    from streamlake.engine.operations.task_prove import plan_proof  # noqa: PLC0415  # heavy

    said = form()
    names = chosen(said["pipeline"])
    finish(plan_proof(names, quick=said["quick"], kafka=said["kafka"], since=said["since"], run=said["run"]))
    return names


@task(map_index_template=LABEL, max_active_tis_per_dagrun=HANDFUL, **heavy(hours=6))
def prove(name: str) -> dict[str, Any]:
    """Prove one pipeline."""
    from streamlake.engine.operations.task_prove import prove_pipeline  # noqa: PLC0415  # heavy

    label(name)
    said = form()
    return finish(
        prove_pipeline(
            pipeline_files(name),
            quick=said["quick"],
            kafka=said["kafka"],
            since=said["since"],
            run=said["run"],
        )
    )


@dag(
    schedule=CronTriggerTimetable(PROVE_CRON, timezone="UTC"),
    catchup=False,
    max_active_runs=2,
    dagrun_timeout=timedelta(hours=12),
    default_args=defaults(),
    doc_md=__doc__,
    tags=TAGS,
    params={
        "pipeline": pipeline_param(NAMES, or_all=True),
        "kafka": yes_param(
            "Compare with Kafka",
            "Read the topics again, where they still keep what landed, and compare each value",
        ),
        "quick": yes_param("Quick", "Names and sizes only: no file is read"),
        "since": moment_param(
            "Since", "Leave out what was committed before: a timestamp with its zone, or how long ago"
        ),
        "run": text_param("Replay", "Prove this replay alone, and not what readers see", pattern=NAME),
    },
)
def streamlake_prove() -> None:
    """A task for each pipeline."""
    prove.expand(name=plan())


streamlake_prove()

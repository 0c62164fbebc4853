"""Land what lies before the live run's first offset, or another topic's history, beside what the live run lands.

1. **plan** finds the offsets that nobody has landed. Nothing is written.
2. A person **approves** it: its rows lie in `raw/`, where readers see them, and copies of its refused records go to the
   dead-letter topic.
3. **begin** writes the run down; **land** lands it, a task for each partition. A task that is killed goes on where its
   ledger ends; the same form again goes on with the same run, and no offset is landed twice.
4. **prove** holds the whole root to account.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, chain, dag

sys.path.insert(0, str(Path(__file__).parent))  # Airflow has only the root of its folder of DAGs there

from streamlake_common import (
    ANSWER_WITHIN,
    HANDFUL,
    LABEL,
    TAGS,
    defaults,
    finish,
    form,
    heavy,
    label,
    light,
    log,
    output_of_workers,
    pipeline_files,
    pipeline_param,
    pipelines,
    range_params,
)
from streamlake_links import task


@task(**light(minutes=30))
def plan() -> dict[str, Any]:
    """Find what is missing, and refuse what can't be meant; writes nothing."""
    from streamlake.engine.operations.task_backfill import plan_backfill  # noqa: PLC0415  # heavy

    said = form()
    return finish(plan_backfill(pipeline_files(said["pipeline"]), said))


@task(**light(minutes=10))
def begin(plan: dict[str, Any]) -> list[dict[str, str]]:
    """Write the run down, and hand out its partitions."""
    from streamlake.engine.operations.task_backfill import begin_backfill  # noqa: PLC0415  # heavy

    begun = finish(begin_backfill(pipeline_files(form()["pipeline"]), plan["planned"]))
    return [{"run": begun["run"], "partition": partition} for partition in begun["partitions"]]


@task(map_index_template=LABEL, max_active_tis_per_dagrun=HANDFUL, **heavy(hours=72))
def land(part: dict[str, str]) -> dict[str, Any]:
    """Land one partition, or what is left of it."""
    from streamlake.engine.operations.task_backfill import land_backfill_partition  # noqa: PLC0415  # heavy

    label(part["partition"])
    said = form()
    files = pipeline_files(said["pipeline"])
    with output_of_workers():
        told = land_backfill_partition(files, part["run"], part["partition"], rate=said["rate"], say=log.info)
    return finish(told)


@task(**heavy(hours=6))
def prove() -> dict[str, Any]:
    """Prove the whole root, as it is now."""
    from streamlake.engine.operations.task_prove import prove_pipeline  # noqa: PLC0415  # heavy

    return finish(prove_pipeline(pipeline_files(form()["pipeline"])))


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(days=14),
    default_args=defaults(),
    doc_md=__doc__,
    tags=TAGS,
    params={
        "pipeline": pipeline_param(pipelines()),
        **range_params(without="Nothing: what is missing before the live run", replay=False),
        "rate": Param(
            None,
            type=["null", "number"],
            exclusiveMinimum=0,
            title="Records a second",
            description_md="At most, of all partitions together, so that live runs and brokers have room. Nothing: all",
            examples=[5000],
        ),
    },
)
def streamlake_backfill() -> None:
    """Plan, approve, begin, land, prove."""
    approve = ApprovalOperator(
        task_id="approve",
        subject="Backfill {{ params.pipeline }}?",
        body="""{{ ti.xcom_pull(task_ids="plan")["said"] }}

{% for line in ti.xcom_pull(task_ids="plan")["details"] %}* {{ line }}
{% endfor %}
**Approve**: it is landed where readers see it. **Reject**: nothing is written.""",
        response_timeout=ANSWER_WITHIN,
        retries=0,
    )

    planned: Any = plan()
    parts: Any = begin(planned)
    chain(planned, approve, parts, land.expand(part=parts), prove())


streamlake_backfill()

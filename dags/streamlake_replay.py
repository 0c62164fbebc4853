"""Land a range of a pipeline again, in a run of its own, compare it with what is live, and promote it when approved.

1. **plan** resolves the range to offsets and says what became of them the first time. Nothing is written.
2. **begin** writes the run down; **land** lands it, a task for each partition, below `replays/<run>/` of the root. The
   live run and what readers see stay as they are. A task that is killed goes on where its ledger ends, and a run that
   is there already does nothing twice: give its name to go on with it.
3. **prove** holds each offset of it to account; **compare** holds it against what is live, offset by offset.
4. With **promote**: **plan_promotion** says what readers would see instead, a person approves it, **promote** does it,
   and **prove_all** proves the whole root.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, chain, dag
from airflow.sdk.exceptions import AirflowSkipException

sys.path.insert(0, str(Path(__file__).parent))  # Airflow has only the root of its folder of DAGs there

from streamlake_common import (
    ANSWER_WITHIN,
    HANDFUL,
    LABEL,
    MORE,
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
    text_param,
    yes_param,
)
from streamlake_links import task


@task(**light(minutes=30))
def plan() -> dict[str, Any]:
    """Resolve the range, and refuse what can't be meant; writes nothing."""
    from streamlake.engine.operations.task_replay import plan_replay  # noqa: PLC0415  # heavy

    said = form()
    return finish(plan_replay(pipeline_files(said["pipeline"]), said, said["source"]))


@task(**light(minutes=10))
def begin(plan: dict[str, Any]) -> list[str]:
    """Write the run down, and hand out its partitions."""
    from streamlake.engine.operations.task_replay import begin_replay  # noqa: PLC0415  # heavy

    partitions: list[str] = finish(begin_replay(pipeline_files(form()["pipeline"]), plan["planned"]))["partitions"]
    return partitions


@task(map_index_template=LABEL, max_active_tis_per_dagrun=HANDFUL, **heavy(hours=24))
def land(plan: dict[str, Any], partition: str) -> dict[str, Any]:
    """Land one partition, or what is left of it."""
    from streamlake.engine.operations.task_replay import land_replay_partition  # noqa: PLC0415  # heavy

    label(partition)
    with output_of_workers():
        told = land_replay_partition(pipeline_files(form()["pipeline"]), plan["run"], partition, log.info)
    return finish(told)


@task(**heavy(hours=6))
def prove(plan: dict[str, Any]) -> dict[str, Any]:
    """Prove the replay."""
    from streamlake.engine.operations.task_prove import prove_pipeline  # noqa: PLC0415  # heavy

    return finish(prove_pipeline(pipeline_files(form()["pipeline"]), run=plan["run"]))


@task(**heavy(hours=6))
def compare(plan: dict[str, Any]) -> dict[str, Any]:
    """Compare it with what is live."""
    from streamlake.engine.operations.task_replay import compare_replay  # noqa: PLC0415  # heavy

    return finish(compare_replay(pipeline_files(form()["pipeline"]), plan["run"]))


@task(**light(minutes=360))
def plan_promotion(plan: dict[str, Any]) -> dict[str, Any]:
    """Say what readers would see; skipped, with what follows, where it is not to be promoted."""
    from streamlake.engine.operations.task_replay import plan_promote  # noqa: PLC0415  # heavy

    said = form()
    if not said["promote"]:
        raise AirflowSkipException("The form does not ask for a promotion: readers see what they saw before")
    found = finish(plan_promote(pipeline_files(said["pipeline"]), plan["run"]))
    if found["done_before"]:
        raise AirflowSkipException(found["said"])
    return found


@task(**heavy(hours=6))
def promote(plan: dict[str, Any]) -> dict[str, Any]:
    """Make its rows the live ones."""
    from streamlake.engine.operations.task_replay import promote_replay  # noqa: PLC0415  # heavy

    return finish(promote_replay(pipeline_files(form()["pipeline"]), plan["run"]))


@task(**heavy(hours=6))
def prove_all() -> dict[str, Any]:
    """Prove the whole root, as it is now."""
    from streamlake.engine.operations.task_prove import prove_pipeline  # noqa: PLC0415  # heavy

    return finish(prove_pipeline(pipeline_files(form()["pipeline"])))


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(days=7),
    default_args=defaults(),
    doc_md=__doc__,
    tags=TAGS,
    params={
        "pipeline": pipeline_param(pipelines()),
        **range_params(without="Needed, unless *Range of a file* (under More) says it", replay=True),
        "run_of": text_param(
            "Range of a file",
            "Instead of from and to: that of a landed file, or of a ledger entry, RUN/TOPIC/PARTITION/SEQ",
            maxLength=1024,
            section=MORE,
            examples=["live-1/orders/0/12"],
        ),
        "source": Param(
            "kafka",
            type="string",
            enum=["kafka", "lake"],
            title="Read from",
            description_md="Kafka, or the lake: the files that have landed, also after Kafka's retention",
            section=MORE,
        ),
        "promote": yes_param(
            "Promote",
            "Ask a person, when it is proven and compared, whether readers shall see it in place of what is live",
        ),
    },
)
def streamlake_replay() -> None:
    """Plan, begin, land, prove, compare; and promote what a person approves."""
    approve = ApprovalOperator(
        task_id="approve",
        subject="Promote a replay of {{ params.pipeline }}?",
        body="""{{ ti.xcom_pull(task_ids="plan_promotion")["said"] }}

{% for line in ti.xcom_pull(task_ids="plan_promotion")["details"] %}* {{ line }}
{% endfor %}
{{ ti.xcom_pull(task_ids="compare")["said"] }}

**Approve**: readers see the rows of the replay from then on. **Reject**: nothing is written.""",
        response_timeout=ANSWER_WITHIN,
        retries=0,
    )

    planned: Any = plan()
    partitions: Any = begin(planned)
    landed = land.partial(plan=planned).expand(partition=partitions)
    promotion = plan_promotion(planned)
    chain(landed, prove(planned), compare(planned), promotion, approve, promote(planned), prove_all())


streamlake_replay()

"""Look at a pipeline's dead letters, and send them back to be tried again when a person says so.

1. **inspect** counts them by reason and field, with the place of an example: `streamlake dead show` shows it.
2. **plan** says how many would be sent, and where to. Nothing is written or sent.
3. A person **approves** it.
4. **redrive** sends exactly those: what is refused after the plan is not among them. It keeps a journal in the root, so
   that a task which is killed goes on, and sends nothing again that is known to be sent.

A transformation of records is code, and is no parameter here: `streamlake dead redrive --transform`.
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
    NAME,
    TAGS,
    TOPIC,
    defaults,
    finish,
    form,
    heavy,
    log,
    moment_param,
    pipeline_files,
    pipeline_param,
    pipelines,
    text_param,
    yes_param,
)
from streamlake_links import task

HOW = "How they are sent"
REASONS = ["malformed", "invalid", "oversize", "crash", "tombstone"]


@task(**heavy(hours=2))
def inspect() -> dict[str, Any]:
    """Count them."""
    from streamlake.engine.operations.task_letters import inspect_letters  # noqa: PLC0415  # heavy

    said = form()
    return finish(inspect_letters(pipeline_files(said["pipeline"]), said))


@task(**heavy(hours=2))
def plan() -> dict[str, Any]:
    """Say what would be sent; skipped, with what follows, where nothing would."""
    from streamlake.engine.operations.task_letters import plan_letters  # noqa: PLC0415  # heavy

    said = form()
    found = finish(plan_letters(pipeline_files(said["pipeline"]), said))
    if not found["records"]:
        raise AirflowSkipException(f"{found['said']}: there is nothing to approve")
    return found


@task(**heavy(hours=12))
def redrive(plan: dict[str, Any]) -> dict[str, Any]:
    """Send them."""
    from streamlake.engine.operations.task_letters import redrive_letters  # noqa: PLC0415  # heavy

    return finish(redrive_letters(pipeline_files(form()["pipeline"]), plan["planned"], log.info))


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
        "reason": Param(
            None,
            type=["null", "string"],
            enum=[None, *REASONS],
            title="Reason",
            description_md="Only what was refused for this. Nothing: any",
        ),
        "field": text_param(
            "Field",
            "Only this field and what is below, as in /items/0/qty",
            maxLength=512,
            examples=["/customer_id", "/items/0/qty"],
        ),
        "topic": text_param("Topic", "Only records of this topic", pattern=TOPIC, examples=["orders"]),
        "partition": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            maximum=99_999,
            title="Partition",
            description_md="Only records of this partition",
        ),
        "since": moment_param("Since", "Refused at that time or later"),
        "until": moment_param("Until", "Refused before that time. Nothing: before now"),
        "to": Param(
            "source",
            type="string",
            pattern=TOPIC,
            title="Send to",
            description_md="source: each to the topic and partition that it came from. Else the name of a topic",
            section=HOW,
        ),
        "max_attempts": Param(
            3,
            type="integer",
            minimum=1,
            maximum=1000,
            title="Attempts",
            description_md="A record that has failed so often is not sent again",
            section=HOW,
        ),
        "only_now_valid": yes_param(
            "Only what is valid now", "Try each with the YAML's validator as it is now", default=True, section=HOW
        ),
        "timed_now": yes_param("With the time of sending", "Instead of the records' own time", section=HOW),
        "again": yes_param("Again", "Also what an earlier redrive has sent to the same topic", section=HOW),
        "rate": Param(
            None,
            type=["null", "number"],
            exclusiveMinimum=0,
            title="Records a second",
            description_md="At most. Nothing: as fast as it goes",
            section=HOW,
        ),
        "batch": Param(
            500,
            type="integer",
            minimum=1,
            maximum=100_000,
            title="Batch",
            description_md="So many at most are in doubt after a kill, and are sent once more with a mark",
            section=HOW,
        ),
        "name": text_param(
            "Redrive",
            "A name for it. Nothing: a new one. An earlier one's goes on with that",
            pattern=NAME,
            section=HOW,
        ),
    },
)
def streamlake_dead_letters() -> None:
    """Inspect, plan, approve, redrive."""
    approve = ApprovalOperator(
        task_id="approve",
        subject="Send dead letters of {{ params.pipeline }} back?",
        body="""{{ ti.xcom_pull(task_ids="plan")["said"] }}

{% for line in ti.xcom_pull(task_ids="plan")["details"] %}* {{ line }}
{% endfor %}
{{ ti.xcom_pull(task_ids="inspect")["said"] }}:

{% for line in ti.xcom_pull(task_ids="inspect")["details"] %}* {{ line }}
{% endfor %}
**Approve**: they are sent to Kafka. **Reject**: nothing is sent.""",
        response_timeout=ANSWER_WITHIN,
        retries=0,
    )

    planned: Any = plan()
    chain(inspect(), planned, approve, redrive(planned))


streamlake_dead_letters()

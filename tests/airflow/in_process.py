"""Runs DAGs by `dag.test`, one after the other, in this process: `in_process.py FOLDER '[["dag id", {form}], …]'`.

Prints a JSON object a line: what the reading of FOLDER gave, then the state of each run and of its tasks. What a person
would approve counts as approved.
"""

import json
import sys
import time

from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb

PLACES = ("gs://lake/some folder/raw/", "file:///lake/raw/", "/lake/raw/")
LOOKED_FOR = ("streamlake.", "pyarrow", "confluent_kafka", "duckdb")


def _pipelines() -> dict[str, list[str]]:
    """What the forms offer, with the files that a task would load; the folder of DAGs is on sys.path by now."""
    common = sys.modules["streamlake_common"]
    try:
        return {name: [path.name for path in common.pipeline_files(name)] for name in common.pipelines()}
    except ValueError:
        return {}


folder, wanted = sys.argv[1], json.loads(sys.argv[2])
began = time.process_time()
bag = DagBag(dag_folder=folder)
read = {
    "dags": sorted(bag.dags),
    "errors": {path: str(error) for path, error in bag.import_errors.items()},
    "warnings": [str(warning) for warnings in bag.captured_warnings.values() for warning in warnings],
    "loaded": [name for name in sys.modules if f"{name}.".startswith(LOOKED_FOR)],
    "params": {dag_id: sorted(dag.params) for dag_id, dag in bag.dags.items()},
    "tasks": {dag_id: sorted(dag.task_ids) for dag_id, dag in bag.dags.items()},
    "cpu_seconds": time.process_time() - began,
    "pipelines": _pipelines(),
    "addresses": [sys.modules["streamlake_links"].address(place) for place in PLACES],
}
print(json.dumps(read), flush=True)
if wanted:
    initdb()
for dag_id, form in wanted:
    run = bag.dags[dag_id].test(run_conf=form, mark_success_pattern=r"^approve$")
    states = {f"{one.task_id}/{one.map_index}": str(one.state) for one in run.get_task_instances()}
    print(json.dumps({"dag": dag_id, "state": str(run.state), "tasks": states}), flush=True)

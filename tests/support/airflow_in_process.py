"""Airflow in a process of its own, which reads DAGs and runs them by `dag.test` (`tests/airflow/in_process.py`)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.source import ROOT

SCRIPT = ROOT / "tests" / "airflow" / "in_process.py"
DAGS = ROOT / "dags"


def airflow_with(
    home: Path, pipelines: Path | None, *runs: tuple[str, dict[str, Any]], dags: Path = DAGS
) -> list[dict[str, Any]]:
    """What it says of the DAGs, and then of each run: a DAG and its form."""
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "PYTHONPATH": str(dags),
        "STREAMLAKE_PIPELINES": str(pipelines or ""),
        "STREAMLAKE_RETRY_SECONDS": "0",
    }
    command = [sys.executable, str(SCRIPT), str(dags), json.dumps(runs)]
    done = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=800, check=False
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(('{"dags"', '{"dag"'))]
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(found) == len(runs) + 1, done.stdout[-5000:]
    return found

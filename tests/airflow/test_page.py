"""docs/airflow.md names what the DAGs have, and the DAG that stands there is one."""

import re
import shutil
from pathlib import Path

from support.airflow_in_process import DAGS, airflow_with
from support.pages import blocks
from support.source import ROOT

PAGE = (ROOT / "docs" / "airflow.md").read_text()
HEADING = re.compile(r"^\| DAG \| (\w+).*\|$")


def column(which: str) -> dict[str, list[str]]:
    """The second column of the table with this heading: names by DAG."""
    found, inside = {}, False
    for line in PAGE.splitlines():
        if heading := HEADING.match(line):
            inside = heading[1] == which
        elif inside and line.startswith("| `streamlake_"):
            _, dag, second, *_ = line.split("|")
            found[dag.strip(" `")] = second
    return {dag: re.findall(r"\b[a-z_]+\b", re.sub(r"\([^)]*\)|which:|how:", "", text)) for dag, text in found.items()}


def test_the_page_names_each_parameter_and_each_task(airflow_parts: None, tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text("pipeline: orders\n")
    (read,) = airflow_with(tmp_path, tmp_path)
    assert {dag: sorted(names) for dag, names in column("parameters").items()} == read["params"]
    assert {dag: sorted(names) for dag, names in column("tasks").items()} == read["tasks"]


def test_the_page_names_each_variable_and_each_picture() -> None:
    used = set(re.findall(r"\"(STREAMLAKE_[A-Z_]+)\"", (DAGS / "streamlake_common.py").read_text()))
    rows = "".join(re.findall(r"^\| `STREAMLAKE_[^|]+", PAGE, re.MULTILINE))
    assert set(re.findall(r"`(STREAMLAKE_[A-Z_]+)`", rows)) == used
    pictures = {path.name for path in (ROOT / "docs" / "images").glob("airflow-*.png")}
    assert set(re.findall(r"images/(airflow-[a-z]+\.png)", PAGE)) == pictures


def test_the_dag_that_waits_for_an_hour_is_read(airflow_parts: None, tmp_path: Path) -> None:
    shutil.copytree(DAGS, tmp_path / "dags")
    (tmp_path / "orders.yaml").write_text("pipeline: orders\n")
    (file,) = (block for block in blocks(PAGE) if block.what == "after_orders.py")
    (tmp_path / "dags" / file.what).write_text(file.text)
    (read,) = airflow_with(tmp_path, tmp_path, dags=tmp_path / "dags")
    assert (read["errors"], read["warnings"]) == ({}, [])
    assert "after_orders" in read["dags"]


def test_every_block_that_is_not_run_says_why() -> None:
    others = [block for block in blocks(PAGE) if block.mark == "not run"]
    assert [block.language for block in others] == ["sh"] * 4

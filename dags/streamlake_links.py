"""Links from a task's page to what its operation has written: the DAGs' `@task` is Airflow's own, with these."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import attrs
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

CONSOLE = "https://console.cloud.google.com/storage/browser/"


@attrs.define
class PlaceLink(BaseOperatorLink):
    """A button that leads to what stands under `key` in what the task has given to XCom; none where nothing does."""

    title: str
    key: str

    @property
    def name(self) -> str:
        """On the button."""
        return self.title

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the link."""
        return f"_link_{self.key}"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Called in the task's process when the task has ended; `ti_key` is the task instance then."""
        told = ti_key.xcom_pull(task_ids=operator.task_id, map_indexes=ti_key.map_index)
        place = told.get(self.key) if isinstance(told, dict) else None
        return address(place) if isinstance(place, str) else ""


def address(place: str) -> str:
    """What a browser opens for a place of the lake: for `gs://` Google's console, or what a fake server lists.

    A place on a disk becomes `file://`, of which Airflow makes no button: a path alone it takes for a page of its own.
    """
    scheme, _, path = place.partition("://")
    if scheme != "gs":
        return place if path else f"file://{quote(place)}"
    bucket, _, prefix = path.partition("/")
    if fake := os.environ.get("STORAGE_EMULATOR_HOST"):
        return f"{fake}/storage/v1/b/{bucket}/o?prefix={quote(prefix)}"
    return f"{CONSOLE}{bucket}/{quote(prefix)}"


class LinkedTask(DecoratedOperator, PythonOperator):
    """A function as a task, with links to what it has written."""

    custom_operator_name = "@task"
    operator_extra_links = (
        PlaceLink("Files", "files"),
        PlaceLink("Ledger", "ledger"),
        PlaceLink("Run", "run_file"),
        PlaceLink("Results", "kept"),
        PlaceLink("Markers", "markers"),
        PlaceLink("Journal", "journal"),
    )

    def __init__(self, *, python_callable: Callable[..., Any], op_args: Any, op_kwargs: Any, **named: Any) -> None:
        call = {"python_callable": python_callable, "op_args": op_args, "op_kwargs": op_kwargs}
        super().__init__(kwargs_to_upstream=call, **call, **named)


task = partial(task_decorator_factory, decorated_operator_class=LinkedTask)

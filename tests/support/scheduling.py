"""Which tests share a process of pytest-xdist: those of Airflow, for each Airflow takes 1.5 GiB and a minute."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


class OneAirflow(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Each test goes to whoever is free, those of Airflow one after the other to the same process.

    Marks would do it, but the `xdist_group` of pytest-xdist 3.8 has no effect with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "airflow" if "airflow" in nodeid else nodeid


def make_scheduler(config: pytest.Config, log: Producer) -> OneAirflow | None:
    """For `pytest_xdist_make_scheduler`; None leaves it to the option --dist."""
    return OneAirflow(config, log) if config.getoption("dist") == "load" else None

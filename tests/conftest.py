"""Fixtures that every part's tests may ask for: a real Kafka and a storage server, started once for a test process."""

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from support.chromium import NAMES, find_chromium
from support.compiled import INSTALLED, built
from support.scheduling import OneAirflow, make_scheduler
from support.secure import SecureKafka, secure_kafka
from support.shared import SharedGcs, SharedKafka
from support.whole import watch
from xdist.remote import Producer

from streamlake.engine.errors import LocalError
from streamlake.engine.local.artifacts import kafka_jars
from streamlake.engine.local.gcs import LocalGcs, find_binary
from streamlake.engine.local.java import find_java
from streamlake.engine.local.kafka import LocalKafka


@pytest.fixture(scope="session", autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Engines under test leave their last word in a folder of this session, not in the home of who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell starts what it puts in the background with SIGINT ignored, and children inherit that: tests send it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def native() -> None:
    """`streamlake-native` is installed. Without it a test is skipped, and fails where CI=true."""
    if not INSTALLED:
        why = "streamlake-native is not installed: `make native` says why"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(params=["compiled", "pure"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each of the two ways of a batch: by `streamlake-native`, and without it."""
    if request.param == "compiled":
        request.getfixturevalue("native")
    with built(request.param):
        yield request.param


@pytest.fixture(scope="session")
def kafka_parts() -> None:
    """Java and Kafka's jars are here. Without them a test is skipped, and fails where CI=true."""
    try:
        find_java()
        kafka_jars()
    except LocalError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Kafka to test with: {error}")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[SharedKafka]:
    """A Kafka of one node for the whole session (with pytest-xdist: one for each worker).

    An existing cluster is used only by a name that says "test" (DESIGN §12): STREAMLAKE_TEST_BOOTSTRAP_SERVERS.
    """
    if existing := os.environ.get("STREAMLAKE_TEST_BOOTSTRAP_SERVERS"):
        yield SharedKafka(existing)
        return
    request.getfixturevalue("kafka_parts")
    # A KIP-848 member's death is noticed after the broker's time, not the client's; 45 s would be long for a test.
    properties = {"group.consumer.session.timeout.ms": "6000", "group.consumer.heartbeat.interval.ms": "1000"}
    with LocalKafka(properties=properties) as kafka:
        yield SharedKafka(kafka.bootstrap_servers)


@pytest.fixture(scope="session")
def secured(kafka_parts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A Kafka with TLS, sign-ins and rights for the whole session; `kafka` is for everything else."""
    with secure_kafka(tmp_path_factory.mktemp("certificates")) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def gcs_parts() -> None:
    """fake-gcs-server is here. Without it a test is skipped, and fails where CI=true."""
    try:
        find_binary()
    except LocalError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no storage server to test with: {error}")


@pytest.fixture(scope="session")
def chromium() -> None:
    """A Chromium is here, which pip can't bring. Without it a test is skipped, and fails where CI=true."""
    if find_chromium() is None:
        _missing(f"no browser to look at pages with: none of {', '.join(NAMES)} is on the PATH")


@pytest.fixture(scope="session")
def gcs(gcs_parts: None) -> Iterator[SharedGcs]:
    """A fake-gcs-server for the whole session (with pytest-xdist: one for each worker)."""
    with LocalGcs() as server:
        yield SharedGcs(server)


@pytest.fixture(scope="session")
def deploy_tools() -> None:
    """The extra `deploy` is installed. Without it a test is skipped, and fails where CI=true."""
    if find_spec("kubernetes_validate") is None:
        _missing("what tests of deploy/ need is not installed: `make test` brings it")


@pytest.fixture(scope="session")
def airflow_parts() -> None:
    """The extra `airflow` is installed. Without it a test is skipped, and fails where CI=true."""
    if find_spec("airflow") is None:
        _missing("Airflow is not installed: `make check` brings it")


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' own tool. It comes by no pip: without it a test is skipped, and fails where CI=true."""
    found = shutil.which("promtool")
    if found is None:
        _missing("promtool is not installed; on Debian it is in the package prometheus")
    return str(found)


@pytest.fixture(scope="session")
def prometheus(promtool: str) -> str:
    """Prometheus itself, which comes with its tool."""
    return promtool.removesuffix("promtool") + "prometheus"


@pytest.fixture(scope="session")
def systemd_analyze() -> str:
    """The tool of systemd that reads units. Without it a test is skipped, and fails where CI=true."""
    found = shutil.which("systemd-analyze")
    if found is None:
        _missing("systemd-analyze is not installed; on Debian it is in the package systemd")
    return str(found)


def _missing(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def pytest_configure(config: pytest.Config) -> None:
    """A run comes to an end."""
    watch(config)


def pytest_collection_finish() -> None:
    """What all tests are made of stays to the end: a collection of garbage need not look at it, which takes 0.2 s."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """What was kept is collected at the end after all: a library that looks for leaks would find it."""
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests by chance have done, which they record as a property: how much, and by which seed."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneAirflow | None:
    """Tests of Airflow share one process."""
    return make_scheduler(config, log)

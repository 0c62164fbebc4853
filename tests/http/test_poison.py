"""Records that raise, kill or hang a validator: refused as `crash` in the end, as a pipeline's worker refuses them."""

import http.client
from pathlib import Path

import pytest
from support.edge import LINES, Answered, RunningEdge, edge_yaml
from support.shared import SharedKafka
from support.waiting import wait_until

HURTS = '''\
"""A validator that fails in the way that the record asks for."""

from support.poisons import Poisoned


class Hurting(Poisoned):
    @classmethod
    def from_options(cls, options, *, columns, base_dir):
        return cls()
'''
TESTS = str(Path(__file__).parent.parent)


def hurting_edge(kafka: SharedKafka, folder: Path, *arguments: str) -> RunningEdge:
    (folder / "hurts.py").write_text(HURTS)
    path = edge_yaml(folder, kafka.bootstrap_servers, validator={"type": "hurts:Hurting"}, python_path=[".", TESTS])
    return RunningEdge(path, *arguments)


def posted(edge: RunningEdge, body: bytes) -> Answered | None:
    """The answer; None where the worker died of it."""
    try:
        return edge.post(body, LINES)
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return None


@pytest.mark.parametrize("how", [b"raise", b"system exit", b"memory"])
def test_a_record_that_the_validator_raises_on_is_refused_alone(kafka: SharedKafka, tmp_path: Path, how: bytes) -> None:
    with hurting_edge(kafka, tmp_path) as edge:
        answered = edge.post(b"good\n" + how + b"\nbetter", LINES)
        assert edge.end() == 0
    results = answered.json["results"]
    assert [one["status"] for one in results] == ["stored", "refused", "stored"]
    assert results[1]["reason"] == "crash"
    assert results[1]["message"].startswith("the validator failed on this record alone")


@pytest.mark.parametrize("how", [b"exit", b"segv", b"hang"])
def test_a_record_that_takes_a_worker_along_does_so_once_and_is_then_refused_alone(
    kafka: SharedKafka, tmp_path: Path, how: bytes
) -> None:
    body = b"good\n" + how + b"\nbetter"
    with hurting_edge(kafka, tmp_path, "--", "--timeout", "4") as edge:
        assert posted(edge, body) is None, "nobody is left to answer"
        edge.wait_for("a worker died while it validated a request, which is validated apart if it comes again")
        wait_until(lambda: edge.post(b"good", LINES).status == 202, edge.log)
        answered = posted(edge, body)
        assert answered is not None, edge.log()
        results = answered.json["results"]
        assert [one["status"] for one in results] == ["stored", "refused", "stored"]
        assert results[1]["reason"] == "crash"
        assert edge.end() == 0

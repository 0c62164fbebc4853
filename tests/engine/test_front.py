"""A start without a broker: tried again while nobody answers, ended at once by what the broker refuses."""

import pytest
from structlog.testing import capture_logs

from streamlake.config.model import PipelineConfig
from streamlake.engine.codes.kafka import FORBIDDEN, UNREACHABLE
from streamlake.engine.errors import ConfigError, SourceError, StreamLakeError
from streamlake.engine.front import Front

CONFIG = PipelineConfig.model_validate(
    {
        "pipeline": "orders",
        "kafka": {"bootstrap_servers": "127.0.0.1:1", "group_id": "orders", "topics": [{"name": "orders"}]},
        "validator": {"type": "none"},
        "sink": {"type": "file", "root": "memory://lake"},
        "metrics": {"listen": None},
    }
)
AWAY = SourceError("no answer from 127.0.0.1:1 (Connection refused)", code=UNREACHABLE)


class Silent:
    """A cluster by what its client has heard: nothing."""

    def heard(self) -> str:
        return ""


def waited(front: Front, *ends: StreamLakeError | str) -> str:
    """What comes of attempts that end like this, one after the other."""
    left = list(ends)

    def begin() -> str:
        end = left.pop(0)
        if isinstance(end, str):
            return end
        raise end

    return front.when_it_answers(Silent(), begin)  # type: ignore[arg-type]  # as much as it asks for


def test_who_gets_no_answer_asks_again_and_says_so_once() -> None:
    with capture_logs() as logs, Front(CONFIG, lambda _: None) as front:
        (starting,) = front.state.not_ready_because()
        assert starting.startswith("starting: ")
        assert waited(front, AWAY, AWAY, "begun") == "begun"
        assert (front.state.broker_since, front.state.broker_why) == (None, "")
    assert [(line["event"], line.get("why")) for line in logs] == [
        ("the broker does not answer", str(AWAY)),
        ("the broker answers again", None),
    ], "said once, however often it is asked"


@pytest.mark.parametrize(
    "refusal", [SourceError("not allowed", code=FORBIDDEN), ConfigError("no topic 'orders'")], ids=["right", "topic"]
)
def test_what_is_refused_ends_the_start_at_once(refusal: StreamLakeError) -> None:
    with capture_logs() as logs, Front(CONFIG, lambda _: None) as front, pytest.raises(type(refusal)) as raised:
        waited(front, refusal, "begun")
    assert (raised.value, logs) == (refusal, [])

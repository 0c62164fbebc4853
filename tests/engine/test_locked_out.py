"""A Kafka that does not let a running engine in any more is said once with its cause, then counted, then over."""

import pytest
from structlog.testing import capture_logs

from streamlake.engine.codes.kafka import SIGN_IN, TLS, UNREACHABLE
from streamlake.engine.errors import ConfigError, SourceError
from streamlake.engine.locked_out import LockedOut

REFUSED = ConfigError("asking for the topic orders: kafka:9093 refuses the sign-in", code=SIGN_IN)
EXPIRED = ConfigError("asking for offsets: the certificate of kafka:9093 has expired", code=TLS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds = [1000.0]
    monkeypatch.setattr("streamlake.engine.locked_out.time.monotonic", lambda: seconds[0])
    return seconds


def test_the_same_cause_is_said_once_then_counted_once_a_minute_then_over(clock: list[float]) -> None:
    locked_out = LockedOut()
    with capture_logs() as logs:
        for _ in range(30):
            assert locked_out.heard(REFUSED)
            clock[0] += 3
        locked_out.answered()
        locked_out.answered()
    assert [line["event"] for line in logs] == [
        "Kafka does not let us in",
        "Kafka still does not let us in",
        "Kafka lets us in again",
    ]
    assert (logs[0]["code"], logs[0]["why"]) == ("SL0303", str(REFUSED))
    assert (logs[1]["code"], logs[1]["times"], logs[1]["seconds"]) == ("SL0303", 20, 60.0)


def test_another_cause_is_said_and_after_its_end_the_same_one_is_too(clock: list[float]) -> None:
    locked_out = LockedOut()
    with capture_logs() as logs:
        for error in (REFUSED, EXPIRED, EXPIRED):
            locked_out.heard(error)
        locked_out.answered()
        clock[0] += 1
        locked_out.heard(EXPIRED)
    said = [line["code"] for line in logs if line["event"] == "Kafka does not let us in"]
    assert said == ["SL0303", "SL0304", "SL0304"]


def test_a_broker_that_is_away_is_for_others_to_say() -> None:
    locked_out = LockedOut()
    with capture_logs() as logs:
        assert not locked_out.heard(SourceError("no answer", code=UNREACHABLE))
        locked_out.answered()
    assert logs == []

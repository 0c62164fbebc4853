"""What is logged of a validator that fails names no value of a record."""

import pytest
from structlog.testing import capture_logs
from support.batches import batch_of
from support.broker import pipeline_on

from streamlake.engine import worker_main
from streamlake.engine.records import Batch, Verdict


class Quoting:
    """Raises with the record in its words."""

    def validate(self, batch: Batch) -> Verdict:
        raise RuntimeError(f"cannot do {batch.values[0]!r}")


def test_a_validator_that_raises_is_logged_by_kind_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_main, "make_validator", lambda _: Quoting())
    decider = worker_main.Decider(pipeline_on("nowhere:1", "orders"), lambda _batch, _deaths: Verdict())
    with capture_logs() as logs:
        decider.decide(batch_of([b"Erika"]))
    (line,) = logs
    assert line["event"] == "validator failed, bisecting"
    assert line["why"].startswith(f"RuntimeError at {__file__}:")
    assert "Erika" not in str(line)

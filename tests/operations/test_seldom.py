"""What a task tells of its progress: now and then, and not each time."""

import pytest

from streamlake.engine.operations.task_runs import TELL_SECONDS, Seldom


def test_what_comes_soon_after_another_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("streamlake.engine.operations.task_runs.time.monotonic", lambda: now[0])
    said: list[str] = []
    seldom = Seldom(said.append)
    for seconds in (0.0, TELL_SECONDS - 1, 1.0, 0.1, TELL_SECONDS):
        now[0] += seconds
        seldom(f"{now[0] - 100:g}")
    assert said == [f"{TELL_SECONDS:g}", f"{2 * TELL_SECONDS + 0.1:g}"]

"""`make guard`: fails when landing a record has come to cost twice of what it did; half a minute.

CPU of `streamlake run` less that of a run over nothing, as a multiple of librdkafka's own drain in the same minute; the
least of several times of each, for a busy machine only ever adds to them. The limits are twice what was measured on a
quiet machine when they were written: a change that makes it cheaper should lower them.
"""

import tempfile
from pathlib import Path

from bench import Bench
from landing import BROKEN_RATIO, FORMS, filled
from programs import finish, kafka, saying

SAY = saying("guard")
RECORDS = 400_000
TIMES = 3
LIMITS = {FORMS[0][0]: 16.0, FORMS[1][0]: 22.0}
"""Multiples of the drain, by the form of landing."""


def main() -> int:
    """Measure and compare."""
    with tempfile.TemporaryDirectory(prefix="streamlake-guard-") as folder, kafka(SAY) as servers:
        bench = Bench(servers, Path(folder), RECORDS, TIMES, 0, 0, SAY)
        topic, nothing = filled(bench, "guard", RECORDS, broken=BROKEN_RATIO), filled(bench, "nothing", 0)
        drain = min(topic.drain(bench) for _ in range(TIMES))
        start = min(nothing.land(bench).cpu for _ in range(TIMES))
        failed = 0
        for name, environment, _, _ in FORMS:
            if name in LIMITS:
                found = (min(topic.land(bench, **environment).cpu for _ in range(TIMES)) - start) / drain
                failed += found > LIMITS[name]
                verdict = "too much: something makes each record dearer" if found > LIMITS[name] else "fine"
                print(f"guard: {name}: {found:.1f} times librdkafka's drain, at most {LIMITS[name]:g}: {verdict}")
    return min(failed, 1)


if __name__ == "__main__":
    finish(main)

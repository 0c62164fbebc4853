"""`make guard`: fails when landing a record has come to cost twice of what it did; a minute.

CPU of `streamlake run` less that of a run over nothing, as a multiple of librdkafka's own drain beside them; the
least of several times of each, for a busy machine only ever adds to them; where that is too much, it is measured again
and again, up to TIMES_MAX times. The limits are twice what was measured on a quiet machine when they were written: a
change that makes it cheaper should lower them.
"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import Bench
from landing import BROKEN_RATIO, FORMS, filled
from programs import finish, kafka, saying

from streamlake.engine.compiled import compiled

SAY = saying("guard")
RECORDS = 1_200_000
"""With a third of them, what the workers cost that begin and end would be as much as the records."""
TIMES, TIMES_MAX = 3, 12
PURE = {"STREAMLAKE_NATIVE": "0"}
CASES: Sequence[tuple[str, Mapping[str, str], float]] = (
    (FORMS[0][0], FORMS[0][1], 11.0),
    (FORMS[1][0], FORMS[1][1], 12.0),
    (f"{FORMS[0][0]}, without streamlake-native", PURE, 16.0),
)
"""What is landed, how, and the limit as a multiple of the drain."""


def main() -> int:
    """Measure and compare."""
    with tempfile.TemporaryDirectory(prefix="streamlake-guard-") as folder, kafka(SAY) as servers:
        bench = Bench(servers, Path(folder), RECORDS, TIMES, 0, 0, SAY)
        topic, nothing = filled(bench, "guard", RECORDS, broken=BROKEN_RATIO), filled(bench, "nothing", 0)
        drain, start, failed = math.inf, math.inf, 0
        for name, environment, limit in CASES if compiled() is not None else CASES[-1:]:
            land, found = math.inf, math.inf
            for number in range(TIMES_MAX):
                drain, start = min(drain, topic.drain(bench)), min(start, nothing.land(bench).cpu)
                land = min(land, topic.land(bench, **environment).cpu)
                found = (land - start) / drain
                if number + 1 >= TIMES and found <= limit:
                    break
            failed += found > limit
            verdict = "too much: something makes each record dearer" if found > limit else "fine"
            print(f"guard: {name}: {found:.1f} times librdkafka's drain, at most {limit:g}: {verdict}")
    return min(failed, 1)


if __name__ == "__main__":
    finish(main)

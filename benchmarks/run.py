"""`make bench`: measures what StreamLake aims at, on this machine, and prints each figure beside its aim.

    python benchmarks/run.py [--records 2000000] [--repeats 3] [--only landing,sizes,…] [--json]

KAFKA_BOOTSTRAP_SERVERS names a cluster to measure against; without it one is started here and shares the cores.
CPU seconds and multiples of librdkafka's own drain are what to compare between machines; wall times depend on what
else runs, which is said at the end.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import idle
import landing
import proof
import replays
import sizes
import startup
import trickle
from bench import Bench
from figures import Figure, machine, print_json, print_table
from programs import finish, kafka, saying

SAY = saying("bench")
MEASUREMENTS = {
    "landing": landing.measure,
    "sizes": sizes.measure,
    "trickle": trickle.measure,
    "idle": idle.measure,
    "startup": startup.measure,
    "proof": proof.measure,
    "replay": replays.measure,
}


def main() -> int:
    """Measure what is wanted and print it."""
    wanted = _arguments()
    unknown = set(wanted.only) - set(MEASUREMENTS)
    if unknown:
        sys.exit(f"--only {','.join(sorted(unknown))}: there are {', '.join(MEASUREMENTS)}")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="streamlake-bench-") as folder, kafka(SAY) as servers:
        size = (wanted.records, wanted.repeats, wanted.idle_partitions, wanted.seconds)
        bench = Bench(servers, Path(folder), *size, SAY)
        for name in wanted.only:
            figures += MEASUREMENTS[name](bench)
    facts = machine(bench.busy)
    (print_json if wanted.json else print_table)(figures, facts)
    if wanted.json_file:
        with wanted.json_file.open("w") as file:
            print_json(figures, facts, file)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=2_000_000, help="records to land (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="repetitions of each measurement (default: %(default)s)")
    parser.add_argument("--idle-partitions", type=int, default=64, help="partitions without a record (%(default)s)")
    parser.add_argument("--seconds", type=int, default=30, help="how long light load is watched (%(default)s)")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(MEASUREMENTS), metavar="A,B")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--json-file", type=Path, help="write JSON to this file beside what is printed")
    return parser.parse_args()


if __name__ == "__main__":
    finish(main)

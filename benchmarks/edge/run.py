"""`make bench-edge`: the same orders posted to StreamLake's HTTP edge and to what a team would write instead.

    python benchmarks/edge/run.py [--seconds 5] [--repeats 2] [--records 1000000] [--only NAME,…] [--json FILE]
                                  [--chart FOLDER] [--quick]

Each contender is one file here; its docstring says how it is set up. Each has one worker, acks=all, a linger of 2 ms,
checks each order by the same model, and answers when Kafka has it. What its topics hold in the end is compared with
what it has acknowledged. --quick is a look at whether all of this runs: ours and Falcon, moments each.
KAFKA_BOOTSTRAP_SERVERS names a cluster to use; without it one is started here and shares the cores.
"""

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "peers")]

import psutil
import report
import works
from bench import Bench
from chart import bars
from figures import cpu_seconds, machine
from processes import cpu_of
from programs import finish, kafka, saying
from servers import CONTENDERS, GTHREAD, OURS

SAY = saying("bench-edge")


def main() -> int:
    """Race, measure ours alone, and print it."""
    wanted = _arguments()
    if wanted.quick:
        wanted.seconds, wanted.repeats, wanted.records = 0.5, 1, 2_000
    others = [one for one in CONTENDERS if one is not OURS and any(part in one.name for part in wanted.only or [""])]
    some = [OURS, GTHREAD] if wanted.quick else [OURS, *others]
    with tempfile.TemporaryDirectory(prefix="streamlake_edge_") as folder, kafka(SAY) as servers:
        bench = Bench(servers, Path(folder), wanted.records, wanted.repeats, 0, wanted.seconds, SAY)
        before, ours = cpu_seconds(), _own_cpu_seconds()
        limits = works.ceilings(bench)
        results = works.race(bench, some)
        own = results[0]
        if own.unavailable:
            sys.exit(own.unavailable)
        alone = report.Alone(works.half_load(bench, own), works.memory(bench, own), works.workers(bench, own))
        bench.busy.add(before, cpu_seconds(), _own_cpu_seconds() - ours)
    found = report.document(results, limits, alone, machine(bench.busy), wanted.seconds)
    report.show(found)
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=2) + "\n")
    if wanted.chart:
        for kind, title in report.TITLES.items():
            for name, picture in bars(report.bars_of(found, kind), title, unit=report.UNIT, most_first=True).items():
                (wanted.chart / f"edge-{kind}-{name}.svg").write_text(picture)
    return int(any(one["stored"].startswith("lost") for one in found["contenders"] if one["name"] == OURS.name))


def _own_cpu_seconds() -> float:
    """Of this process and all below it, ended ones too: servers, load, and the broker where it is ours."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return ended.ru_utime + ended.ru_stime + sum(cpu_of(process.pid) for process in living)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-edge", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="of each run, after a fifth to warm up (%(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=2, help="rounds; medians are shown (default: %(default)s)")
    parser.add_argument("--records", type=int, default=1_000_000, help="of the look at the memory (%(default)s)")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], metavar="A,B", help="parts of names")
    parser.add_argument("--json", type=Path, help="write all there is to this file")
    parser.add_argument("--chart", type=Path, help="write edge-…-light.svg and edge-…-dark.svg into this folder")
    parser.add_argument("--quick", action="store_true", help="a few seconds, without contenders to install")
    return parser.parse_args()


if __name__ == "__main__":
    finish(main)

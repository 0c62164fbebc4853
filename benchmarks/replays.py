"""`replay run` over all that a live run has landed, from Kafka and from its files: CPU beside the live run's own."""

from collections.abc import Iterator, Sequence
from statistics import median

from bench import PIPELINE, Bench, metered
from figures import Figure
from landing import BROKEN_RATIO, PARTITIONS, filled

FORMATS: Sequence[str] = ("parquet", "jsonl")
AIMS = {"kafka": 1.1, "lake": 0.8}
EVERYTHING = ("--from", "earliest", "--to", "latest")


def measure(bench: Bench) -> Iterator[Figure]:
    """Each format: landed live, and then again by both ways below the same root."""
    topic = filled(bench, "replay", bench.records, broken=BROKEN_RATIO)
    for form in FORMATS:
        ratios: dict[str, list[float]] = {reads: [] for reads in AIMS}
        costs: list[float] = []
        for number in range(bench.repeats):
            bench.say(f"replaying {form}, {number + 1} of {bench.repeats}")
            environment = bench.environment(topic.name, BENCH_PARTITIONS=str(PARTITIONS), BENCH_FORMAT=form)
            costs.append(metered(bench, environment, "run", PIPELINE, "--until-end").cpu)
            for reads in AIMS:
                again = ("replay", "run", PIPELINE, *EVERYTHING, "--name", reads, "--source", reads)
                ratios[reads].append(metered(bench, environment, *again).cpu / costs[-1])
        for reads, aim in AIMS.items():
            yield Figure(f"replay of {form} from {reads}", ratios[reads], "times the live run", aim)
        yield Figure("  the live run: CPU a million records", [median(costs) / (bench.records / 1e6)], "s")

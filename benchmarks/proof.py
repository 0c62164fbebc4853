"""How fast `prove` reads: rows of Parquet a second of CPU."""

from collections.abc import Iterator

from bench import PIPELINE, Bench, program, streamlake
from figures import Figure


def measure(bench: Bench) -> Iterator[Figure]:
    """Lands the records once and proves them several times; the time to start Python and to import is left out."""
    topic = bench.topic("proof")
    environment = bench.environment(topic)
    bench.say("proving")
    streamlake(environment, "topics", "apply", PIPELINE)
    streamlake(environment, "produce", PIPELINE, "--generate", "orders", "--records", str(bench.records))
    streamlake(environment, "run", PIPELINE, "--until-end")
    found = [program("proofs.py", environment, PIPELINE) for _ in range(bench.repeats)]
    rates = [one["rows"] / one["cpu"] for one in found]
    yield Figure("prove: rows of Parquet a CPU second", rates, "/s", 3_000_000.0, at_most=False, remark="no --kafka")

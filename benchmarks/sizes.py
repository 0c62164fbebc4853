"""What a megabyte costs in records of other sizes."""

from collections.abc import Iterator

from bench import Bench
from figures import Figure
from landing import filled

BYTES_A_RECORD_MEAN = 200  # so that as many bytes are landed as elsewhere
ITEMS_BYTES = 45  # an item of an order, about
HEAD_BYTES = 140
SIZES = (200, 1_000, 10_000, 100_000)
AIMED_SIZE, AIM = 10_000, 250.0


def measure(bench: Bench) -> Iterator[Figure]:
    """MB of payload a CPU second; the start of the engine is in it."""
    for size in SIZES:
        items = max(1, (size - HEAD_BYTES) // ITEMS_BYTES)
        topic = filled(bench, "sizes", max(10, bench.records * BYTES_A_RECORD_MEAN // size), items=items)
        bench.say(f"landing records of {size:,} bytes")
        runs = [topic.land(bench, BENCH_RECORD_BYTES_MAX="1MiB").cpu for _ in range(bench.repeats)]
        rates = [topic.bytes / 1e6 / cpu for cpu in runs]
        name = f"records of {topic.bytes / topic.records:,.0f} bytes: MB a CPU second"
        yield Figure(name, rates, "MB/s", AIM if size == AIMED_SIZE else None, at_most=False)

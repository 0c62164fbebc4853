"""One-line mutants of the edge: each breaks its promise, and torture has to see that."""

from collections.abc import Sequence

from model.mutants import Mutant

EDGE_MUTANTS: Sequence[Mutant] = (
    Mutant(
        "answered before the delivery report",
        "streamlake.http_edge.ingest",
        "        if await producer.arrival(shipment, self._deadline):\n",
        "        shipment.outcomes = [Place(0, 0)] * len(indices)\n        if True:\n",
    ),
)
"""It answers what Kafka has not said: at once, and with a place that it makes up."""

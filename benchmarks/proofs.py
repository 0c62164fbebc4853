"""Proves one pipeline several times in one process, and says what that cost.

python benchmarks/proofs.py PIPELINE.yaml     prints {"rows": …, "cpu": …, "wall": …}
"""

import json
import sys
import time
from pathlib import Path

from streamlake.engine.cli.common import load
from streamlake.engine.cli.parts import open_ledger
from streamlake.engine.operations.prove import Subject, prove

TIMES = 3


def main(pipeline: str) -> None:
    """Rows and dead letters that were read, over the CPU seconds of this process from the first proof on."""
    config = load(Path(pipeline))
    subject = Subject(config.pipeline, config.kafka.group_id, config.kafka.topic_names)
    rows = 0
    began, cpu = time.monotonic(), time.process_time()
    for _ in range(TIMES):
        proof = prove(open_ledger(config), subject)
        assert proof.holds, proof.defects
        rows += proof.totals.rows + proof.totals.dead_letters
    print(json.dumps({"rows": rows, "cpu": time.process_time() - cpu, "wall": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1])

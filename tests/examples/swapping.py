"""A program: lands what is in the topics of a pipeline's YAML, in this process, and prints what the ledger reads."""

import json
import sys
from pathlib import Path
from typing import Any

from streamlake.config.load import load_pipeline
from streamlake.config.model import PipelineConfig
from streamlake.engine.assembly import run_pipeline
from streamlake.engine.errors import Exit
from streamlake.engine.generations import FIRST
from streamlake.engine.logs import configure_logs
from streamlake.engine.operations.proof_files import int64_array
from streamlake.engine.operations.prove import prove
from streamlake.engine.worker_main import make_sink


def landed(config: PipelineConfig) -> dict[str, Any]:
    """Rows, letters and skips as the sink's own ledger reads them, whatever the sink is; the proof must hold."""
    ledger = make_sink(config).ledger()
    assert prove(ledger).holds
    rows, letters, skipped = [], [], []
    for source in ledger.partitions(FIRST):
        for entry in ledger.entries(FIRST, source):
            skipped += [str(span) for span in entry.skipped_offsets]
            for file in entry.files:
                if file.kind == "raw":
                    offsets, values = int64_array(ledger.offsets(file)), ledger.values(file)
                    assert offsets is not None
                    assert values is not None
                    pairs = zip(offsets.to_pylist(), values, strict=True)
                    rows += [(source.partition, offset, value.decode()) for offset, value in pairs]
                else:
                    letters += [
                        (one.offset, one.reason, one.field, repr(one.value)) for one in ledger.dead_letters(file)
                    ]
    return {"rows": rows, "letters": letters, "skipped": skipped}


if __name__ == "__main__":
    configure_logs("json")
    config = load_pipeline(Path(sys.argv[1]))
    assert run_pipeline(config, until_end=True) is Exit.DONE
    print(json.dumps(landed(config)))

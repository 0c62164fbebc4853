"""StreamLake as its users run it: `streamlake serve`, one worker, no keys, `pydantic` with the same model.

All other settings are the defaults: the edge's own linger of 2 ms, lz4 (the others compress nothing), an answer with
topic, partition and offset of each record (the others answer with a count), limits and time-outs, metrics, request ids.
"""

import sys
from pathlib import Path

REQUIREMENTS: tuple[str, ...] = ()


def command(servers: str, topic: str, port: int, folder: Path, workers: int) -> list[str]:
    """Write the YAML, and the command that serves it."""
    pipeline = folder / "edge.yaml"
    pipeline.write_text(
        f"pipeline: edge\n"
        f"kafka:\n  bootstrap_servers: {servers}\n  group_id: {topic}\n  topics: [{{name: {topic}}}]\n"
        f"validator: {{type: pydantic, model: 'streamlake.plugins.validators.orders:Order'}}\n"
        f"sink: {{type: file, root: {(folder / 'root').as_uri()}}}\n"
        f"dead_letters:\n  topic: {{name: {topic}.dlq}}\n"
        f"http:\n  listen: 127.0.0.1:{port}\n  workers: {workers}\n  auth: none\n  streams: {{orders: {{}}}}\n"
    )
    return [str(Path(sys.executable).with_name("streamlake")), "serve", str(pipeline)]

"""The examples at the end of each command's `--help`, in one place; a test parses every one of them."""

from collections.abc import Mapping, Sequence

import click

EXAMPLES: Mapping[str, Sequence[str]] = {
    "init": ("streamlake init orders.yaml --topic orders --bootstrap broker-1:9092",),
    "dry-run": ("streamlake dry-run orders.yaml --from -1h --limit 500",),
    "top": ("streamlake top orders.yaml", "streamlake top --url http://host:9464"),
    "run": (
        "streamlake run orders.yaml --until-end",
        "streamlake run base.yaml prod.yaml --set metrics.listen=127.0.0.1:9464",
    ),
    "serve": ("streamlake serve orders.yaml", "streamlake serve orders.yaml -- --certfile cert.pem --keyfile key.pem"),
    "validate": ("streamlake validate orders.yaml", "streamlake validate base.yaml prod.yaml --offline --json"),
    "topics apply": ("streamlake topics apply orders.yaml",),
    "topics describe": ("streamlake topics describe orders.yaml --json",),
    "topics diff": ("streamlake topics diff orders.yaml",),
    "produce": (
        "streamlake produce orders.yaml --file orders.jsonl --key-field /id",
        "streamlake produce orders.yaml --generate orders --records 1000",
    ),
    "post": ("streamlake post orders.jsonl --url http://127.0.0.1:8080/ingest/orders",),
    "status": ("streamlake status orders.yaml", "streamlake status orders.yaml --json"),
    "prove": ("streamlake prove orders.yaml", "streamlake prove orders.yaml --kafka"),
    "complete": ("streamlake complete orders.yaml",),
    "replay delete": ("streamlake replay delete orders.yaml replay-20260131 --yes",),
    "replay diff": ("streamlake replay diff orders.yaml replay-20260131",),
    "replay list": ("streamlake replay list orders.yaml",),
    "replay plan": ("streamlake replay plan orders.yaml --from 2026-01-31T00:00Z --to 2026-02-01T00:00Z",),
    "replay promote": ("streamlake replay promote orders.yaml replay-20260131",),
    "replay run": ("streamlake replay run orders.yaml --from 1000 --to 2000 --partitions 3",),
    "replay show": ("streamlake replay show orders.yaml replay-20260131",),
    "backfill plan": ("streamlake backfill plan orders.yaml",),
    "backfill run": ("streamlake backfill run orders.yaml --rate 5000",),
    "offsets plan": ("streamlake offsets plan orders.yaml --to latest",),
    "offsets reset": ("streamlake offsets reset orders.yaml --to earliest --reason 'retention was too short'",),
    "offsets show": ("streamlake offsets show orders.yaml",),
    "dead export": ("streamlake dead export orders.yaml refused.parquet --since 24h",),
    "dead list": ("streamlake dead list orders.yaml --since 1h --reason invalid",),
    "dead redrive": ("streamlake dead redrive orders.yaml --to source --only-now-valid",),
    "dead show": ("streamlake dead show orders.yaml order.raw/3/1042",),
    "dead stats": ("streamlake dead stats orders.yaml --since 24h",),
    "quality run": ("streamlake quality run orders.yaml",),
    "gc": ("streamlake gc orders.yaml",),
    "explain": ("streamlake explain base.yaml prod.yaml", "streamlake explain SL0403"),
    "keys list": ("streamlake keys list orders.yaml",),
    "keys new": ("streamlake keys new orders.yaml --name checkout",),
    "keys revoke": ("streamlake keys revoke orders.yaml 4f2a9c",),
    "completion": ('eval "$(streamlake completion bash)"',),
    "schema": ("streamlake schema",),
    "plugins": ("streamlake plugins", "streamlake plugins pydantic"),
    "local airflow": ("streamlake local airflow --dags dags --port 8081",),
    "local gcs": ("streamlake local gcs",),
    "local kafka": ("streamlake local kafka --port 9092",),
}


def show_examples(command: click.Command, name: str) -> None:
    """Put the examples of a command, and of those below it, at the end of their help; a group's are theirs."""
    below = [f"{name} {one}" for one in command.commands] if isinstance(command, click.Group) else []
    lines = EXAMPLES.get(name, ()) or [EXAMPLES[one][0] for one in sorted(below) if one in EXAMPLES]
    if lines:
        head = "Examples:" if len(lines) > 1 else "Example:"
        command.epilog = "\n".join(["\b", head, *(f"  {line}" for line in lines)])
    if isinstance(command, click.Group):
        for path, one in zip(below, command.commands.values(), strict=True):
            show_examples(one, path)

"""`streamlake local`: real servers on this machine, for trying out."""

import sys
from pathlib import Path

import click


@click.group("local", short_help="Start real servers on this machine for trying out.")
def command() -> None:
    """Start real servers on this machine for trying out: nothing here is for production."""


@command.command("kafka")
@click.option("--nodes", type=click.Choice(["1", "3"]), default="1", show_default=True, help="How many brokers.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the first broker. Default: a free one.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the data there. Default: it goes when Kafka stops.",
)
def kafka_command(nodes: str, port: int | None, data_dir: Path | None) -> None:
    """Run Apache Kafka in the foreground until Ctrl-C, and print its address and first commands to try.

    The first time it is fetched (45 MB); a Java from 17 on the PATH is used, else one from the extra `local`.
    """
    from streamlake.engine.local.command import run_kafka  # noqa: PLC0415  # needs the extra `local`

    sys.exit(run_kafka(int(nodes), port, data_dir))


@command.command("gcs")
@click.option("--port", type=click.IntRange(1, 65535), help="Its port. Default: a free one.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the objects there. Default: they go when it stops.",
)
@click.option("--bucket", "buckets", multiple=True, metavar="NAME", help="A bucket to make; may be said again.")
def gcs_command(port: int | None, data_dir: Path | None, buckets: tuple[str, ...]) -> None:
    """Run a fake Google Cloud Storage in the foreground until Ctrl-C, and print its address and commands to try.

    It is fake-gcs-server, from the extra `local`; without --bucket it has the bucket `streamlake`.
    """
    from streamlake.engine.local.command import run_gcs  # noqa: PLC0415  # needs the extra `local`

    sys.exit(run_gcs(port, data_dir, buckets))


@command.command("airflow")
@click.option(
    "--dags",
    type=click.Path(path_type=Path, file_okay=False),
    default="dags",
    show_default=True,
    help="The folder of DAGs.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port of its pages. Default: a free one.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep runs and logs there. Default: they go when it stops.",
)
def airflow_command(dags: Path, port: int | None, data_dir: Path | None) -> None:
    """Run Apache Airflow in the foreground until Ctrl-C, with everybody its administrator, and print its address.

    It needs the extra `airflow`. Its tasks see this environment: STREAMLAKE_PIPELINES names the folder of pipelines.
    """
    from streamlake.engine.local.command import run_airflow  # noqa: PLC0415  # needs the extra `local`

    sys.exit(run_airflow(dags, port, data_dir))

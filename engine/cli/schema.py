"""`streamlake schema`: the JSON Schema of a pipeline's YAML, by which editors complete and explain it."""

import click


@click.command("schema", short_help="Print the JSON Schema of a pipeline's YAML, for editors.")
def command() -> None:
    """Print the JSON Schema of a pipeline's YAML: every setting with its limits, its default and a sentence.

    An editor with a YAML language server goes by it where the YAML's first line names the file that it was written to:
    # yaml-language-server: $schema=pipeline.schema.json
    """
    from streamlake.config.schema import SCHEMA_FILE  # noqa: PLC0415  # heavy

    click.echo(SCHEMA_FILE.read_text(encoding="utf-8"), nl=False)

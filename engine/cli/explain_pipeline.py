"""`streamlake explain orders.yaml`: what a pipeline will do, in plain sentences."""

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

import click

from streamlake.config.load import located
from streamlake.engine.cli.common import load, print_json, try_model
from streamlake.engine.errors import ConfigError
from streamlake.engine.operations.explain import explain
from streamlake.engine.operations.explain_said import Sentence

WIDTH_MAX = 100


def explain_pipeline(files: Sequence[Path], overrides: Sequence[str], *, as_json: bool) -> None:
    """Print what the pipeline in the YAML files does. Raises ConfigError."""
    config = load(files, overrides)
    try_model(config, files, overrides)
    try:
        chapters = explain(config)
    except ConfigError as error:
        raise ConfigError(*located(error.problems, files, overrides)) from None
    if as_json:
        print_json(
            [
                {
                    "title": chapter.title,
                    "sentences": [{"text": one.text, "settings": dict(one.settings)} for one in chapter.sentences],
                }
                for chapter in chapters
            ]
        )
        return
    width = min(WIDTH_MAX, shutil.get_terminal_size((WIDTH_MAX, 24)).columns)
    for number, chapter in enumerate(chapters):
        click.echo(f"{chapter.title}\n" if number == 0 else f"\n{chapter.title}\n")
        for sentence in chapter.sentences:
            click.echo(_lines(sentence, width))


def _lines(sentence: Sentence, width: int) -> str:
    settings = ", ".join(f"{path}: {value}" for path, value in sentence.settings.items())
    text = f"- {sentence.text} [{settings}]"
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)

"""The JSON Schema of the example's model, for stories in which somebody has got it wrong, or right."""

import json
import subprocess
import sys
from typing import Any

from streamlake.engine.local.demo.screen import Screen

MODULE = "streamlake.plugins.validators.orders"  # as a program it prints the schema of its model


def schema_of_the_model(screen: Screen) -> dict[str, Any]:
    """What `python -m` of it prints; the command is shown."""
    screen.command(["python", "-m", MODULE])
    done = subprocess.run([sys.executable, "-m", MODULE], capture_output=True, check=True)  # noqa: S603  (our own)
    schema: dict[str, Any] = json.loads(done.stdout)
    return schema

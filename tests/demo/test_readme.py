"""The README's pipeline and commands work as they are printed."""

import os
import re
import subprocess
import uuid
from pathlib import Path

import yaml
from support.engine import STREAMLAKE
from support.shared import SharedKafka

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def block_after(mark: str) -> str:
    found = re.search(rf"<!-- run: {re.escape(mark)} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no block marked {mark!r}"
    return found[1]


def test_the_pipeline_of_ones_own_works_line_by_line(kafka: SharedKafka, tmp_path: Path) -> None:
    # The shared Kafka is everybody's: the topics and the group get names of their own.
    unique = uuid.uuid4().hex[:8]
    text = block_after("pipeline.yaml").replace("web.clicks", f"web.clicks.{unique}")
    text = text.replace("streamlake.clicks", f"streamlake.clicks.{unique}")
    (tmp_path / "clicks.yaml").write_text(text)
    assert yaml.safe_load(text)["pipeline"] == "clicks"
    path = f"{Path(STREAMLAKE).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}
    said = ""
    for line in block_after("commands").splitlines():
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        said += done.stdout
    assert "malformed" in said
    assert "proven: 2 offsets = 1 rows + 1 dead letters" in said


def test_it_opens_with_the_two_commands_and_stays_readable() -> None:
    opening = README.splitlines()[:12]
    assert any(line.startswith("make demo") for line in opening)
    assert any(line.startswith("make test") for line in opening)
    assert len(README.splitlines()) < 200


def test_every_file_it_names_is_there() -> None:
    root = Path(__file__).parent.parent.parent
    missing = [link for link in re.findall(r"\]\(([^)#:]+)\)", README) if not (root / link).exists()]
    assert missing == []

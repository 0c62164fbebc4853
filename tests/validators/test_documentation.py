"""What docs/validation.md shows of a plugin works as it is written there."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.batches import batch_of

from streamlake.engine.contracts import Validator
from streamlake.engine.errors import ConfigError

DOCUMENTATION = Path(__file__).parent.parent.parent / "docs" / "validation.md"


@pytest.fixture
def plugin() -> type[Any]:
    """The class of the documentation's Python block."""
    (source,) = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source, "validation.md", "exec"), names)
    found = names["PrefixValidator"]
    assert isinstance(found, type)
    return found


def test_the_documented_validator_keeps_the_contract(plugin: type[Any]) -> None:
    validator: Validator = plugin.from_options({"prefix": "v1"}, columns=False, base_dir=Path())
    verdict = validator.validate(batch_of([b"v1 a", b"v2", None, b"v1"]))
    assert [(refusal.index, refusal.reason) for refusal in verdict.refused] == [(1, "invalid"), (2, "invalid")]
    assert (validator.payload, validator.fingerprint) == ("bytes", "prefix-1-7631")


@pytest.mark.parametrize("options", [{}, {"prefix": 1}, {"prefix": "v1", "suffix": "x"}])
def test_the_documented_validator_refuses_bad_options(plugin: type[Any], options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        plugin.from_options(options, columns=False, base_dir=Path())

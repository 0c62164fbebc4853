"""What decided: sixteen hex digits that change whenever a validator's decision could."""

import hashlib
import json
from collections.abc import Mapping

from streamlake.plugins.validators.decode import DECISIONS


def fingerprint_of(validator: str, decides: Mapping[str, object], libraries: Mapping[str, str]) -> str:
    """sha256, cut to 16 hex digits, over the validator's name, all that decides (as JSON) and library versions.

    `decides` holds options, schema and source hashes; `libraries` has the version of each one that is loaded.
    """
    parts = {
        "validator": validator,
        "decisions": DECISIONS,
        "decides": decides,
        "versions": dict(libraries),
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]

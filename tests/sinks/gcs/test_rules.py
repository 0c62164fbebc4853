"""What cost objects elsewhere stays out of the code: shown by its text, for no test on a server would show it."""

import re
from pathlib import Path

import pytest

SINK = Path(__file__).parents[3] / "plugins" / "sinks" / "file"
TEXTS = {path: path.read_text() for path in sorted(SINK.rglob("*.py"))}
GCS = {path: text for path, text in TEXTS.items() if "gcs" in path.parts}

NEVER = {
    "a move that overwrites, or copies after a 412": r"\.(mv|move_file|mv_file|_mv|rename)\(",
    "a name that may be taken for a pattern": r"\.(glob|rm|expand_path|find|_rm)\(",
    "gcsfs's own calls, which repeat six times whatever it was": r"fs\._?(pipe_file|cat_file|info|ls|call|put_file)\(",
    "an upload in one request with gcsfs's fixed boundary": r"simple_upload|==0==",
    "a file object of gcsfs, which publishes what was begun when an error ends it": r"fs\.open\(",
}


@pytest.mark.parametrize("what", NEVER)
def test_it_is_never_there(what: str) -> None:
    found = [f"{path.name}: {match[0]}" for path, text in GCS.items() for match in re.finditer(NEVER[what], text)]
    assert not found, what


def test_each_of_these_rules_sees_what_it_forbids() -> None:
    planted = [
        "fs.mv(a, b)",
        "fs.rm(path)",
        "fs.pipe_file(path, data)",
        "await simple_upload(fs)",
        "with fs.open(path)",
    ]
    for pattern, text in zip(NEVER.values(), planted, strict=True):
        assert re.search(pattern, text), pattern


def test_there_is_one_client_without_a_listing_cache_and_without_a_probe_of_the_buckets_kind() -> None:
    (text,) = [text for text in TEXTS.values() if "GCSFileSystem(" in text]
    assert "use_listings_cache=False" in text
    assert "skip_instance_cache=True" in text
    assert text.index('os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"') < text.index("from gcsfs")


def test_every_request_has_a_time_out_and_every_creation_a_precondition() -> None:
    requests, api = (GCS[SINK / "backends" / "gcs" / name] for name in ("requests.py", "api.py"))
    assert requests.count("session.request(") == 1
    assert requests.count("self._answer(") == 1
    assert re.search(r"asyncio\.timeout\(self\._seconds_max\):\n\s+reply = await self\._answer\(", requests)
    creating = [line for line in api.splitlines() if re.search(r'"uploadType"|moveTo|"destinationKmsKeyName"', line)]
    assert creating
    for line in re.findall(r"params ?= ?\{[^}]*\}", api):
        if "uploadType" in line or "destinationKmsKeyName" in line:
            assert '"ifGenerationMatch": "0"' in line, line
    assert re.search(r'params = \{"ifGenerationMatch": "0", "fields": OBJECT_FIELDS\}\n.*moveTo', api)
    assert api.count('"multipart"') == 1, "once, for the server of tests alone"

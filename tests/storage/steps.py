"""The steps of DESIGN §4 and §5 that talk to the storage, each by its requests and by its calls to a disk."""

import re
from dataclasses import dataclass

from storage.life import CLAIM_SEQ, CLOSE_SEQ, COMMIT_SEQ, LEDGER, PUBLISHED, STAGED, UNPUBLISHED, slot

from streamlake.plugins.sinks.file import layout


@dataclass(frozen=True)
class Step:
    """`method` and `object` pick its request, `call` and `path` its call to the disk (None: there is none, and why).

    An upload has two requests: `POST` begins it, `PUT` carries what is in it. `first` lives have no writer before them.
    """

    name: str
    method: str
    object: str
    call: str | None
    path: str
    without: str = ""
    first: bool = False

    @property
    def uploads(self) -> bool:
        """Whether it creates an object."""
        return self.method in {"POST", "PUT"} and "moveTo" not in self.object

    def target(self, prefix: str) -> str:
        """A regular expression of the request's target, for objects below `prefix`; slashes may be escaped."""
        return self.object.replace("ROOT", prefix).replace("/", "(?:/|%2F)")


def _name(path: str) -> str:
    """A query or a path with this object's whole name."""
    return f"ROOT/{re.escape(path)}(?:$|[?&])"


def _upload(name: str, path: str, call: str, on_disk: str, *, first: bool = False) -> tuple[Step, Step]:
    """Both requests of an upload."""
    objects = rf"name=ROOT/{path}"
    return (
        Step(f"{name}: begin", "POST", objects, "create", on_disk, first=first),
        Step(f"{name}: send", "PUT", objects, call, path, first=first),
    )


_ENTRY = r"\d{12}\.json"
_RUN_FILE = re.escape(layout.run_path("live-1"))
_RAW = "raw/t/t-00000-" + "0" * 18

STEPS: tuple[Step, ...] = (
    Step("find the run", "GET", _name(layout.run_path("live-1")), "read", _RUN_FILE),
    *_upload("write the run", _RUN_FILE, "link", r"_stage/live-1/[-0-9a-f]+\.tmp", first=True),
    Step("list the ledger", "GET", rf"prefix=ROOT/{LEDGER}/?&|prefix=ROOT/{LEDGER}/?$", "list", rf"{LEDGER}$"),
    Step("list its last folder", "GET", rf"prefix=ROOT/{LEDGER}/\d{{8}}/", "list", rf"{LEDGER}/\d{{8}}$"),
    Step(
        "read the newest entries", "GET", rf"o/ROOT/{LEDGER}/\d{{8}}/{_ENTRY}", "read", rf"{LEDGER}/\d{{8}}/{_ENTRY}$"
    ),
    Step("make the head durable", "", "", "fsync", rf"{LEDGER}/\d{{8}}$", "an object that is seen is durable"),
    Step("list what is staged", "GET", rf"prefix=ROOT/{STAGED}/", "list", rf"{STAGED}$"),
    *_upload("claim", re.escape(slot(CLAIM_SEQ)), "link", rf"{STAGED}/00000002/[-0-9a-f]+\.tmp"),
    Step("look for a segment", "GET", rf"o/ROOT/{LEDGER}/\d{{8}}\.jsonl\.xz", "read", rf"{LEDGER}/\d{{8}}\.jsonl\.xz"),
    Step("roll forward", "POST", rf"moveTo/o/ROOT/{_RAW}{UNPUBLISHED:02d}-", "link", rf"{_RAW}{UNPUBLISHED:02d}-"),
    Step("collect", "DELETE", rf"ROOT/{STAGED}/00000001/", "unlink", rf"{STAGED}/00000001/"),
    *_upload("write a segment", rf"{LEDGER}/00000001\.jsonl\.xz", "link", rf"{STAGED}/00000002/[-0-9a-f]+\.tmp"),
    Step("empty folded slots", "DELETE", rf"ROOT/{LEDGER}/00000001/", "unlink", rf"{LEDGER}/00000001/"),
    *_upload("stage", rf"{STAGED}/00000002/[-0-9a-f]+\.jsonl", "write", rf"{STAGED}/00000002/[-0-9a-f]+\.jsonl"),
    Step("make what is staged durable", "", "", "fsync", rf"{STAGED}/00000002/[-0-9a-f]+\.jsonl", "an object is"),
    *_upload("commit", re.escape(slot(COMMIT_SEQ)), "link", rf"{STAGED}/00000002/[-0-9a-f]+\.tmp"),
    Step("publish", "POST", rf"moveTo/o/ROOT/{_RAW}{PUBLISHED:02d}-", "link", rf"{_RAW}{PUBLISHED:02d}-"),
    Step("drop the staged name", "", "", "unlink", rf"{STAGED}/00000002/[-0-9a-f]+\.jsonl", "a move is one request"),
    *_upload("close", re.escape(slot(CLOSE_SEQ)), "link", rf"{STAGED}/00000002/[-0-9a-f]+\.tmp"),
)

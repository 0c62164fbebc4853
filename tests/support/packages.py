"""Packages that offer plugins, made in a folder as pip would have installed them there: nothing is built."""

from collections.abc import Mapping
from pathlib import Path

PLUGIN = """
class Mine:
    payload, fingerprint = "bytes", "mine/1"
    contract_version = {version}
    @classmethod
    def from_options(cls, options, *, columns, base_dir): return cls()
    def validate(self, batch): ...
"""


def install(folder: Path, package: str, validators: Mapping[str, str], code: str, version: str = "1.0") -> None:
    """A distribution `package` whose one module has its name and holds `code`; `validators` are its entry points."""
    (folder / f"{package}.py").write_text(code)
    info = folder / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    points = "\n".join(f"{name} = {path}" for name, path in validators.items())
    (info / "entry_points.txt").write_text(f"[streamlake.validators]\n{points}\n")

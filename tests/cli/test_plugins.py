"""`streamlake plugins` and the registry on what packages bring: clashes, broken ones, other versions, options."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.engine import streamlake
from support.packages import PLUGIN, install

from streamlake.engine.contracts import CONTRACT_VERSION, PluginOption
from streamlake.engine.errors import ConfigError
from streamlake.engine.plugin_list import load, plugins
from streamlake.engine.registry import known, validator_class
from streamlake.plugins.sinks.file.backends.gcs.options import GcsOptions
from streamlake.plugins.sinks.file.options import OPTIONS, FileSinkOptions

TELLING = """
    @classmethod
    def options(cls):
        from streamlake.engine.contracts import PluginOption
        return [PluginOption("limit", "number", "7", "how many"), PluginOption("key", "text", None, "what by")]
"""
GOOD = PLUGIN.format(version=CONTRACT_VERSION)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where packages are installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    known.cache_clear()
    yield tmp_path
    known.cache_clear()
    for name in [name for name in sys.modules if name.startswith("third_")]:
        del sys.modules[name]


def listed(folder: Path, *arguments: str, code: int = 0) -> str:
    """What the command says with these packages installed; both outputs."""
    done = streamlake("plugins", *arguments, env={"PYTHONPATH": str(folder)})
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_two_packages_that_offer_one_name_are_both_named_when_it_is_used_and_listed(folder: Path) -> None:
    install(folder, "third_one", {"theirs": "third_one:Mine", "other": "third_one:Mine"}, GOOD)
    install(folder, "third_two", {"theirs": "third_two:Mine"}, GOOD, "2.5")
    with pytest.raises(ConfigError) as caught:
        validator_class("theirs")
    assert "2 packages offer a validator 'theirs': third_one 1.0 (third_one:Mine), third_two 2.5" in str(caught.value)
    assert validator_class("third_two:Mine").__module__ == "third_two"
    assert validator_class("other").__module__ == "third_one"
    assert validator_class("json").__name__ == "JsonValidator"
    assert "validator theirs: 2 packages offer this name: third_one 1.0, third_two 2.5" in listed(folder)
    assert listed(folder, "theirs", code=1).count("can't be used: 2 packages offer this name") == 2


def test_one_that_hides_an_own_name_of_ours_is_refused_and_ours_goes_by_its_path(folder: Path) -> None:
    install(folder, "third_one", {"json": "third_one:Mine"}, GOOD)
    with pytest.raises(ConfigError, match=r"2 packages .* streamlake .*third_one 1\.0|third_one 1\.0 .* streamlake "):
        validator_class("json")
    assert validator_class("streamlake.plugins.validators.json:JsonValidator").__name__ == "JsonValidator"


@pytest.mark.parametrize("version", [CONTRACT_VERSION + 1, 0, "'1'", None])
def test_one_that_was_written_for_another_contract_is_refused_with_both_versions(folder: Path, version: object) -> None:
    install(folder, "third_one", {"theirs": "third_one:Mine"}, PLUGIN.format(version=version), "3.1")
    said = rf"version {version} of the contract, this StreamLake has version {CONTRACT_VERSION}: .* third_one 3\.1"
    with pytest.raises(ConfigError, match=said):
        validator_class("theirs")
    assert "install a version of third_one 3.1" in listed(folder, "theirs", code=1)


def test_one_that_says_no_version_was_written_for_the_first(folder: Path) -> None:
    install(folder, "third_one", {"theirs": "third_one:Mine"}, GOOD.replace("    contract_version = 1\n", ""))
    assert validator_class("theirs").__name__ == "Mine"


def test_one_that_can_not_be_imported_is_told_and_the_others_are_unaffected(folder: Path) -> None:
    install(folder, "third_one", {"theirs": "third_one:Mine"}, "import not_installed_library\n")
    with pytest.raises(ConfigError, match="No module named 'not_installed_library'"):
        validator_class("theirs")
    assert "third_one 1.0" in listed(folder), "the plain list imports nothing"
    text = listed(folder, "--options", code=1)
    assert "can't be used: the plugin 'third_one:Mine' is there, but its import failed at" in text
    assert text.count("can't be used") == 1
    found = {one["type"]: one for one in json.loads(listed(folder, "--json"))}
    assert (found["theirs"]["loads"], found["json"]["loads"]) == (False, True)


def test_what_a_plugin_tells_of_its_options_is_shown(folder: Path) -> None:
    install(folder, "third_one", {"theirs": "third_one:Mine"}, GOOD + TELLING)
    text = listed(folder, "theirs")
    assert f"validator theirs: third_one:Mine, third_one 1.0 in {folder}" in text
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["option", "type", "default", "meaning"],
        ["limit", "number", "7", "how", "many"],
        ["key", "text", "(must", "be", "given)", "what", "by"],
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("raise OSError('no')", "its options() raised OSError: no"),
        ("return ['a']", "its options() holds 'a'"),
    ],
)
def test_options_that_are_none_are_told_and_touch_no_other_plugin(folder: Path, options: str, said: str) -> None:
    code = f"{GOOD}    @classmethod\n    def options(cls): {options}\n"
    install(folder, "third_one", {"theirs": "third_one:Mine"}, code)
    (theirs,) = plugins("theirs")
    assert said in load(theirs).why_not


def test_a_name_that_nobody_offers_is_wrong_usage() -> None:
    done = streamlake("plugins", "nobodys")
    assert (done.returncode, "no sink 'nobodys'" in done.stderr) == (2, True)


def test_all_of_our_own_load_carry_the_version_and_tell_what_they_really_take() -> None:
    ours = {one.name: load(one) for one in plugins() if one.package.startswith("streamlake ")}
    assert {name: (one.why_not, one.contract_version) for name, one in ours.items()} == dict.fromkeys(
        ("json", "jsonschema", "none", "pydantic", "file"), ("", CONTRACT_VERSION)
    )
    told = {name: {option.name: option.default for option in one.options or ()} for name, one in ours.items()}
    assert told["none"] == {}
    assert told["json"] == {"depth_max": "64", "top_level": "object"}
    assert told["jsonschema"] == {"schema": None, "unknown_formats": "refuse", **told["json"]}
    assert told["pydantic"] == {"model": None, "strict": "", **told["json"]}
    gcs = [f"gcs.{name}" for name in GcsOptions.__slots__]
    assert list(told["file"]) == [*FileSinkOptions.__slots__[:-1], *gcs]
    assert FileSinkOptions.__slots__[-1] == "gcs"


def test_the_file_sinks_defaults_are_those_it_tells() -> None:
    parsed = FileSinkOptions.parse({"root": "x"})
    for option in OPTIONS:
        if option.name not in ("root", "compression", "row_group_bytes_max") and not option.name.startswith("gcs."):
            assert option.default == getattr(parsed, option.name)
    own = {name.removeprefix("gcs."): told for name, told in _defaults().items() if name.startswith("gcs.")}
    assert GcsOptions.parse({name: told for name, told in own.items() if told}, Path()) == GcsOptions()
    assert FileSinkOptions.parse({"root": "x", "row_group_bytes_max": _told("row_group_bytes_max").default}) == parsed
    assert (_told("compression").default or "").startswith(parsed.compression)


def _defaults() -> dict[str, str | None]:
    return {option.name: option.default for option in OPTIONS}


def _told(name: str) -> PluginOption:
    return next(option for option in OPTIONS if option.name == name)

"""pydantic: any model by its import path, as the gate hands it the payload."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator
from validators import making

from streamlake.engine.errors import ConfigError
from streamlake.plugins.validators.models import load_model


class Amounts(BaseModel):
    """Lax, as pydantic is by default."""

    amounts: dict[str, int]
    note: str | None = None

    class Inner(BaseModel):
        """A model inside a class."""

        a: int


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    x: int


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    either: int | Inner | None = Field(None, alias="Either")


class Judged(BaseModel):
    value: str

    @field_validator("value")
    @classmethod
    def judge(cls, value: str) -> str:
        """Raise what the value asks for."""
        match value:
            case "wrong":
                raise ValueError("that is wrong,\n\tsurely \x00")
            case "assert":
                raise AssertionError("asserted")
            case "bug":
                raise ZeroDivisionError("a bug in the model")
        return value


def named(name: str) -> str:
    return f"{__name__}:{name}"


def problem(model: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_model(model)
    return str(caught.value)


def test_a_model_is_found_by_its_import_path_also_inside_a_class() -> None:
    assert load_model(named("Amounts")) is Amounts
    assert load_model(named("Amounts.Inner")) is Amounts.Inner


def test_lax_is_the_default_and_strict_an_option() -> None:
    payload = b'{"amounts":{"a":"12"}}'
    assert not making.refused(making.pydantic(named("Amounts")), payload)
    assert not making.refused(making.pydantic(named("Amounts"), strict=False), payload)
    (refusal,) = making.refused(making.pydantic(named("Amounts"), strict=True), payload)
    assert (refusal.reason, refusal.field) == ("invalid", "/amounts/a")


@pytest.mark.parametrize(
    ("model", "payload", "field"),
    [
        ("Owner", b'{"pet":{"kind":"cat","lives":"x"}}', "/pet/lives"),  # without the union member's name
        ("Owner", b'{"pet":{"kind":"cat"}}', "/pet/lives"),
        ("Owner", b'{"pet":{"kind":"cow"}}', "/pet"),
        ("Owner", b'{"pet":{"kind":"cat","lives":9},"Either":{"x":1,"y/z":2}}', "/Either"),
        ("Inner", b'{"x":1,"y/z":2}', "/y~1z"),
        ("Amounts", b'{"amounts":{"a":1,"b":1.5}}', "/amounts/b"),
        ("Amounts", b"{}", "/amounts"),
        ("Judged", b'{"value":"assert"}', "/value"),
    ],
)
def test_the_field_of_a_refusal_is_where_it_lies_in_the_record(model: str, payload: bytes, field: str) -> None:
    (refusal,) = making.refused(making.pydantic(named(model)), payload)
    assert (refusal.reason, refusal.field) == ("invalid", field)
    assert refusal.message.startswith(f"{field} breaks `")


def test_a_refusal_says_rule_value_and_text_in_one_line_that_a_header_can_carry() -> None:
    (refusal,) = making.refused(making.pydantic(named("Judged")), b'{"value":"wrong"}')
    assert refusal.message == '/value breaks `value_error` with "wrong": Value error, that is wrong, surely'
    (refusal,) = making.refused(making.pydantic(named("Amounts")), b'{"amounts":"' + b"x" * 5000 + b'"}')
    assert len(refusal.message) <= 300
    assert f'"{"x" * 118}…' in refusal.message


def test_what_a_model_raises_beside_its_verdict_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        making.refused(making.pydantic(named("Judged")), b'{"value":"fine"}', b'{"value":"bug"}')


@pytest.mark.parametrize(
    ("payload", "accepted"),
    [
        (b'{"amounts":{"a":"bad","a":1}}', True),  # pydantic's own parser looks at the hidden value, too
        (b'{"amounts":{"a":1,"a":"bad"}}', False),
        (b'{"amounts":{"a":"bad","\\u0061":1}}', True),
        (b'{"amounts":"bad","amounts":{}}', True),
    ],
)
def test_of_duplicate_keys_the_last_one_counts_also_in_a_dict(payload: bytes, accepted: bool) -> None:
    assert (not making.refused(making.pydantic(named("Amounts")), payload)) == accepted


def test_a_missing_module_is_told_from_one_whose_import_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "sl_package").mkdir()
    for name, source in {
        "sl_package/__init__": "",
        "sl_needs": "import sl_nowhere\n",
        "sl_raises": "x = 1\n\nprint(1 / 0)\n",
        "sl_exits": "raise SystemExit(3)\n",
        "sl_syntax": "def (\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(source)
    assert "there is no module `sl_gone`" in problem("sl_gone:A")
    assert "there is no module `sl_package.gone`" in problem("sl_package.gone:A")
    needs = problem("sl_needs:A")
    assert "`sl_needs` is there, but its import failed" in needs
    assert "No module named 'sl_nowhere'" in needs
    raises = problem("sl_raises:A")
    assert "sl_raises.py, line 3): ZeroDivisionError: division by zero" in raises
    assert "SystemExit: 3" in problem("sl_exits:A")
    assert "SyntaxError" in problem("sl_syntax:A")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (named("Amount"), ["has no `Amount`", "Did you mean `Amounts`?", "Its models are: Amounts, "]),
        (named("named"), ["no pydantic model"]),
        (named("Path"), ["no pydantic model"]),
        ("Order", ["write it as `module:Class`"]),
        ("a b:Order", ["write it as `module:Class`"]),
        ("", ["write it as `module:Class`"]),
    ],
)
def test_a_model_that_can_not_be_used_says_why(model: str, words: list[str]) -> None:
    text = problem(model)
    assert all(word in text for word in words), text


def test_a_model_that_is_not_complete_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "sl_forward.py").write_text("import pydantic\n\nclass A(pydantic.BaseModel):\n    b: 'Nowhere'\n")
    assert "not complete" in problem("sl_forward:A")
    sys.modules.pop("sl_forward")


def test_a_model_sees_what_a_decoder_makes_of_the_payload() -> None:
    seen: list[Any] = []

    class Watching(BaseModel):
        model_config = ConfigDict(extra="allow")

        def model_post_init(self, _: Any, /) -> None:
            seen.append(self.__pydantic_extra__)

    globals()["Watching"] = Watching
    payload = b'{"a":-0,"b":1.10,"c":"\\u00e4","d":18446744073709551615,"a":1e2}'
    assert not making.refused(making.pydantic(named("Watching")), payload)
    assert seen == [{"a": 100.0, "b": 1.1, "c": "\u00e4", "d": 2**64 - 1}]

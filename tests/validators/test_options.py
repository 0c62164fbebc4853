"""Options: a bad one is answered with its name, its value and what is allowed; a decision that can change is marked."""

from pathlib import Path

import pytest
from validators import making

from streamlake.engine.contracts import Validator
from streamlake.engine.errors import ConfigError
from streamlake.plugins.validators.json import JsonValidator
from streamlake.plugins.validators.jsonschema import JsonSchemaValidator
from streamlake.plugins.validators.none import NoneValidator
from streamlake.plugins.validators.pydantic import PydanticValidator


def problems(kind: str, **options: object) -> tuple[str, ...]:
    make = {"none": making.none, **making.OF_JSON}[kind]
    with pytest.raises(ConfigError) as caught:
        make(**options)
    return caught.value.problems


@pytest.mark.parametrize("kind", making.OF_JSON)
def test_a_bad_option_is_answered_with_name_value_and_what_is_allowed(kind: str) -> None:
    (text,) = problems(kind, depth_max=201)
    assert text == "validator.depth_max is 201: input should be less than or equal to 200."
    assert "validator.depth_max is 0" in problems(kind, depth_max=0)[0]
    assert 'validator.depth_max is "64"' in problems(kind, depth_max="64")[0]
    assert "validator.depth_max is true" in problems(kind, depth_max=True)[0]
    (text,) = problems(kind, top_level="array")
    assert text == "validator.top_level is \"array\": input should be 'object' or 'any'."


@pytest.mark.parametrize("kind", making.OF_JSON)
def test_an_unknown_option_is_answered_with_the_nearest_known_one(kind: str) -> None:
    (text,) = problems(kind, dept_max=3)
    assert text.startswith("validator.dept_max (3): there is no such option. Did you mean `depth_max`? The options of")
    (text,) = problems(kind, zzz=None)
    assert "Did you mean" not in text
    assert "depth_max, top_level" in text


def test_every_problem_is_told_at_once() -> None:
    assert len(problems("json", depth_max=0, top_level=1, more=2)) == 3


def test_a_validator_without_options_says_so() -> None:
    assert problems("none", schema="x") == ('validator.schema ("x"): there is no such option. `none` has no options.',)


def test_a_missing_or_wrong_schema_or_model_is_named() -> None:
    assert "validator.model is 7: " in problems("pydantic", model=7)[0]
    assert all("validator.schema" in text for text in problems("jsonschema", schema=7))
    with pytest.raises(ConfigError, match=r"validator\.schema is missing: validator `jsonschema` needs it"):
        JsonSchemaValidator.from_options({}, columns=False, base_dir=making.FOLDER)
    with pytest.raises(ConfigError, match=r"validator\.model is missing: validator `pydantic` needs it"):
        PydanticValidator.from_options({}, columns=False, base_dir=making.FOLDER)


@pytest.mark.parametrize("kind", [NoneValidator, JsonValidator])
def test_validators_that_know_no_types_refuse_to_make_columns(kind: type[NoneValidator | JsonValidator]) -> None:
    with pytest.raises(ConfigError, match="typed columns need jsonschema or pydantic"):
        kind.from_options({}, columns=True, base_dir=making.FOLDER)


def test_payloads_are_json_for_all_but_none() -> None:
    assert making.none().payload == "bytes"
    assert {make().payload for make in making.OF_JSON.values()} == {"json"}


def test_none_accepts_every_payload() -> None:
    assert not making.refused(making.none(), b"", b"\xff", b"{", b"\0" * 1000)


def test_a_fingerprint_is_sixteen_hex_digits_and_the_same_again() -> None:
    for make in (making.none, *making.OF_JSON.values()):
        assert make().fingerprint == make().fingerprint
        assert len(make().fingerprint) == 16
        assert int(make().fingerprint, 16) >= 0


def test_a_fingerprint_changes_with_everything_that_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    order_model, order_schema = making.ORDER_MODEL, making.ORDER_SCHEMA
    made: list[Validator] = [
        making.none(),
        making.json_(),
        making.json_(depth_max=3),
        making.json_(top_level="any"),
        making.jsonschema({"type": "object"}),
        making.jsonschema({"type": "object"}, depth_max=3),
        making.jsonschema({"type": "object"}, unknown_formats="ignore"),
        making.jsonschema({"type": "array"}),
        making.jsonschema(order_schema),
        making.jsonschema(order_schema, columns=True),
        making.pydantic(),
        making.pydantic(order_model),
        making.pydantic(order_model, strict=True),
        making.pydantic(order_model, strict=False),
        making.pydantic(order_model, columns=True),
    ]
    monkeypatch.setattr("orjson.__version__", "another")
    made += [making.json_(), making.jsonschema(order_schema), making.pydantic(order_model)]
    monkeypatch.setattr("streamlake.plugins.validators.fingerprint.DECISIONS", 2)
    made.append(making.none())
    assert len({validator.fingerprint for validator in made}) == len(made)


def test_a_fingerprint_changes_with_the_source_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = tmp_path / "sl_fingerprint.py"
    source.write_text("import pydantic\n\nclass A(pydantic.BaseModel):\n    a: int\n")
    before = making.pydantic("sl_fingerprint:A").fingerprint
    source.write_text(source.read_text() + "# another validator, say\n")
    assert making.pydantic("sl_fingerprint:A").fingerprint != before


def test_a_fingerprint_changes_with_the_source_of_a_model_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    part, whole = tmp_path / "sl_part.py", tmp_path / "sl_whole.py"
    part.write_text("import pydantic\n\nclass Part(pydantic.BaseModel):\n    a: int\n")
    whole.write_text("import pydantic\nimport sl_part\n\nclass Whole(pydantic.BaseModel):\n    b: list[sl_part.Part]\n")
    before = making.pydantic("sl_whole:Whole").fingerprint
    part.write_text(part.read_text() + "# another validator, say\n")
    assert making.pydantic("sl_whole:Whole").fingerprint != before


def test_a_schema_counts_by_its_content_not_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "copy.json").write_text((making.FOLDER / making.ORDER_SCHEMA).read_text())
    copy = JsonSchemaValidator.from_options({"schema": "copy.json"}, columns=False, base_dir=tmp_path)
    assert copy.fingerprint == making.jsonschema(making.ORDER_SCHEMA).fingerprint

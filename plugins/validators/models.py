"""Finds a pydantic model by its import path, and says of what kind it is when that fails."""

import hashlib
import importlib
import pkgutil
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import get_args

import pydantic

from streamlake.engine.errors import ConfigError
from streamlake.plugins.validators.options import nearest
from streamlake.plugins.validators.wording import message_of

OPTION = "validator.model"


def load_model(path: str) -> type[pydantic.BaseModel]:
    """The model that `module:Class` (or `module:Outer.Inner`) names, complete and ready to validate.

    Raises ConfigError, which tells "there is no such module" from "the module is there and its import failed".
    """
    module_name, _, name = path.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise ConfigError(f"{OPTION} is `{path}`; write it as `module:Class`, for instance `my.models:Order`.")
    module = _module(module_name, path)
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise ConfigError(f"{OPTION} is `{path}`: module `{module_name}` has no `{name}`.{_models_of(module, name)}")
    if not isinstance(found, type) or not issubclass(found, pydantic.BaseModel):
        raise ConfigError(f"{OPTION} is `{path}`: that is no pydantic model (a subclass of `pydantic.BaseModel`).")
    try:
        found.model_rebuild()
    except (pydantic.PydanticUserError, pydantic.PydanticUndefinedAnnotation) as error:
        raise ConfigError(f"{OPTION} is `{path}`: the model is not complete: {message_of(error.message)}") from None
    return found


def source_hashes(model: type[pydantic.BaseModel]) -> dict[str, str]:
    """sha256 of the source files that define the model, its fields' models and all their base classes, by module.

    pydantic's own are left out: its version says as much. So are functions that a validator imports from elsewhere.
    """
    hashes = {}
    for name in sorted({base.__module__ for one in _models_within(model) for base in one.__mro__}):
        file = getattr(sys.modules.get(name), "__file__", None)
        if name.partition(".")[0] not in ("builtins", "pydantic") and file and Path(file).is_file():
            hashes[name] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return hashes


def _models_within(model: type[pydantic.BaseModel]) -> set[type[pydantic.BaseModel]]:
    """The model and those that its fields are made of, however deep."""
    found: set[type[pydantic.BaseModel]] = set()
    waiting: list[object] = [model]
    while waiting:
        part = waiting.pop()
        if isinstance(part, type) and issubclass(part, pydantic.BaseModel) and part not in found:
            found.add(part)
            waiting.extend(field.annotation for field in part.model_fields.values())
        waiting.extend(get_args(part))
    return found


def _module(module_name: str, path: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # The same exception for a module that is not there and for one that misses another one.
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            near = nearest(error.name, [found.name for found in pkgutil.iter_modules()], cutoff=0.8)
            raise ConfigError(
                f"{OPTION} is `{path}`: there is no module `{error.name}`.{near} Is its folder in `python_path`, "
                "or its package installed?"
            ) from None
        raise ConfigError(_failed(path, module_name, error)) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  (a user's module may raise whatever it likes)
        raise ConfigError(_failed(path, module_name, error)) from None


def _failed(path: str, module_name: str, error: BaseException) -> str:
    """That the import itself failed, with the last line of the user's code that ran."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first one is ours
    own = [frame for frame in frames if frame.filename != importlib.__file__ and frame.filename[0] != "<"]
    file, line = (own[-1].filename, own[-1].lineno) if own else (None, None)
    if isinstance(error, SyntaxError):  # of which nothing ran
        file, line = error.filename, error.lineno
    place = f" ({file}, line {line})" if file else ""
    what = message_of(f"{type(error).__name__}: {error}")
    return f"{OPTION} is `{path}`: module `{module_name}` is there, but its import failed{place}: {what}"


def _models_of(module: ModuleType, name: str) -> str:
    models = [
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, pydantic.BaseModel) and value.__module__ != "pydantic.main"
    ]
    return f"{nearest(name, models)} Its models are: {', '.join(sorted(models))}." if models else ""

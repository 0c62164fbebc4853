"""The model of an order for contenders in an environment of their own: what `plugins/validators/orders.py` says."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_spec = spec_from_file_location("sample_orders", Path(__file__).parents[2] / "plugins" / "validators" / "orders.py")
assert _spec is not None, "the sample model stands in this repository"
assert _spec.loader is not None, "a Python file has a loader"
_module = module_from_spec(_spec)
_spec.loader.exec_module(_module)
Order = _module.Order

"""All codes, by number and by the log event that has them."""

from collections.abc import Mapping
from types import ModuleType

from streamlake.engine.codes import configuration, edge, kafka, ledger, processes, records, storage, usage
from streamlake.engine.codes.base import Code

GROUPS: tuple[ModuleType, ...] = (configuration, usage, kafka, storage, ledger, records, processes, edge)
"""In the order of their numbers; each module has a TITLE, and in WHO who acts."""


def codes_of(group: ModuleType) -> list[Code]:
    """The codes that a module defines, ascending."""
    found = [one for one in vars(group).values() if isinstance(one, Code)]
    return sorted(found, key=lambda code: code.number)


CODES: Mapping[str, Code] = {code.number: code for group in GROUPS for code in codes_of(group)}
EVENTS: Mapping[str, Code] = {code.event: code for code in CODES.values() if code.event}

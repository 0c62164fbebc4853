"""What a PromQL expression names, by a real parser: its metrics and its labels."""

import re
from typing import Any

GRAFANA = re.compile(r"\$__rate_interval")


def used(expression: str) -> tuple[frozenset[str], frozenset[str]]:
    """The metrics, and the labels of matchers, of `by`, `without`, `on` and `group_left`. Raises on what is none."""
    import promql_parser  # noqa: PLC0415  of the extra `deploy`

    names: set[str] = set()
    labels: set[str] = set()
    waiting: list[Any] = [promql_parser.parse(GRAFANA.sub("5m", expression))]
    while waiting:
        node = waiting.pop()
        match type(node).__name__:
            case "MatrixSelector":
                waiting.append(node.vector_selector)
            case "VectorSelector":
                names.add(node.name)
                labels |= {matcher.name for matcher in node.matchers.matchers}
            case "BinaryExpr":
                waiting += [node.lhs, node.rhs]
                matching = node.modifier.matching if node.modifier else None
                labels |= set(matching.labels) if matching else set()
            case "AggregateExpr":
                waiting.append(node.expr)
                labels |= set(node.modifier.labels) if node.modifier else set()
            case "Call":
                waiting += node.args
            case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
                waiting.append(node.expr)
            case "NumberLiteral" | "StringLiteral":
                pass
            case kind:
                raise AssertionError(f"{kind} is not looked into")
    return frozenset(names), frozenset(labels)

"""A quality report as JUnit XML, for CI systems: a test case for each check."""

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from streamlake.engine.operations.quality_types import CheckResult, QualityReport

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to say; payloads may hold it."""


def junit_xml(report: QualityReport) -> bytes:
    """`fail` of severity error is a failure, `error` an error, `no rows` skipped; a warning passes, and is told."""
    counts = {
        "tests": len(report.results),
        "failures": sum(one.fails and one.status == "fail" for one in report.results),
        "errors": sum(one.status == "error" for one in report.results),
        "skipped": sum(one.status == "no rows" for one in report.results),
    }
    suite = Element("testsuite", name=f"quality of {report.pipeline}", time=f"{report.seconds:.3f}")
    suite.set("timestamp", report.started_at.isoformat(timespec="seconds"))
    for name, count in counts.items():
        suite.set(name, str(count))
    for result in report.results:
        _add_case(suite, report.pipeline, result)
    suites = Element("testsuites")
    suites.append(suite)
    indent(suites)
    xml: bytes = tostring(suites, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def _add_case(suite: Element, pipeline: str, result: CheckResult) -> None:
    case = SubElement(suite, "testcase", name=_legal(result.name), time=f"{result.seconds:.3f}")
    case.set("classname", f"{pipeline}.{result.type}")
    said = _said(result)
    if result.status == "error":
        SubElement(case, "error", message=_legal(result.message))
    elif result.status == "no rows":
        SubElement(case, "skipped", message=_legal(result.message or "no rows"))
    elif result.status == "fail" and result.severity == "error":
        SubElement(case, "failure", message=said.partition("\n")[0]).text = said
    elif result.status == "fail":
        SubElement(case, "system-out").text = f"warning: {said}"


def _said(result: CheckResult) -> str:
    """The outcome and its examples, a line each."""
    counted = result.message or f"{result.failures:,} of {result.rows:,} rows"
    return _legal("\n".join([counted, *map(str, result.examples)]))


def _legal(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)

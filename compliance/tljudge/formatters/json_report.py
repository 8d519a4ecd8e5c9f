"""Findings as JSON, for other programs."""

import json
from dataclasses import asdict

from tljudge.engine.findings import Report

SCHEMA_VERSION = 1


def render(report: Report) -> str:
    """The JSON document, in ASCII, so that any file name survives."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "findings": [finding.as_json() for finding in report.findings],
        "errors": [asdict(error) for error in report.errors],
        "summary": report.summary,
    }
    return json.dumps(document, indent=2) + "\n"

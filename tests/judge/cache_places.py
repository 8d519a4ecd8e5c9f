"""A template with a cache of its own, and whether a report came from there."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.judge.factory import DEFAULT, TAGS, TODAY, of_type, template
from tljudge.engine.findings import Report
from tljudge.engine.policy import Policy
from tljudge.runner.check import check

OPEN = template({"G": of_type("AWS::EC2::SecurityGroup", {})})
MARKER = "this came from the cache"


class Place:
    """A folder with a template, one with a cache, and how to look."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.file = folder / "t.json"
        self.file.write_text(json.dumps(OPEN))

    def look(
        self, policy: Policy = DEFAULT, given: dict[str, Any] | None = None, **how: Any
    ) -> Report:
        given = given or {"Tags": TAGS}
        paths = how.pop("paths", [self.file])
        how.setdefault("today", TODAY)
        return check(paths, policy, given, cache=self.cache, **how)

    def mark(self) -> None:
        """Write into each entry, as a whole one, that it was there."""
        entries = list(self.cache.iterdir())
        assert entries
        for entry in entries:
            body = json.loads(entry.read_bytes()[65:])
            for row in body["findings"]:
                row[6] = MARKER
            self.write(entry, json.dumps(body).encode())

    @staticmethod
    def write(entry: Path, body: bytes) -> None:
        entry.write_bytes(sha256(body).hexdigest().encode() + b"\n" + body)

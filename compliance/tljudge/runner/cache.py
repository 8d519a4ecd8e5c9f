"""What was found in a template stays found while neither it, the policy nor the code changes.

An entry is JSON in a folder of the user's own, written whole or not at all; one that is damaged,
old or somebody else's is as good as none. Waivers and baseline are applied to what comes out.
"""

import json
import os
import stat
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from tljudge.decode.errors import TemplateError
from tljudge.decode.parameter_file import Given
from tljudge.decode.source import Source, Sources
from tljudge.engine.evaluate import Judged
from tljudge.engine.findings import Finding, Problem
from tljudge.engine.policy import Policy

MAX_ENTRIES = 20_000
MAX_TOTAL_BYTES = 64 * 1024 * 1024
MAX_ENTRY_BYTES = 256 * 1024
_KEPT = 0.75  # of the bounds, after the oldest were removed
_CODE = (".py", ".toml", ".json")
_DECIDES_NOTHING = ("__pycache__", "cli", "formatters", "mutation")


def default_folder(environment: Mapping[str, str]) -> Path | None:
    """Where the user's programs keep what can be made again; None where there is no such place.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    base, home = environment.get("XDG_CACHE_HOME", ""), environment.get("HOME", "")
    if not base.startswith("/"):
        if not home.startswith("/"):
            return None
        base = f"{home}/.cache"
    return Path(base) / "tinyllama-on-demand" / "verdicts"


class Cache:
    """The verdicts of one folder, under one policy and one version of the code."""

    def __init__(self, folder: Path, policy: Policy, given: Given, today: date) -> None:
        self._folder = folder
        self._written = False
        self._is_ours = _prepared(folder)
        if self._is_ours:
            self._scope = _digest(
                code_digest(),
                sys.version,
                yaml.__version__,
                *_policy_parts(policy, today),
                json.dumps(given, sort_keys=True),
            )

    def get(self, source: Source, named: bool, sources: Sources) -> Judged | None:
        """The verdicts on a file with this content and nested files as they are now, if kept."""
        if not self._is_ours:
            return None
        key = self._key(source.path, named, source.digest)
        try:
            content = _own_content(self._folder / key)
            check, body = content[:64], content[65:]
            if check != sha256(body).hexdigest().encode():
                return None
            found = _from_json(json.loads(body))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        try:
            is_same = all(
                sources.read(Path(file)).digest == found.files[file] for file in found.files
            )
        except TemplateError:
            return None
        return found if is_same else None

    def put(self, path: Path, named: bool, judged: Judged) -> None:
        """Remember what was found; where that fails, nothing is remembered."""
        if not self._is_ours or not judged.digest:
            return
        body = json.dumps(_as_json(judged), separators=(",", ":")).encode()
        if len(body) > MAX_ENTRY_BYTES:
            return
        target = self._folder / self._key(path, named, judged.digest)
        part = target.with_suffix(f".{os.getpid()}")
        try:
            with part.open("xb") as file:
                file.write(sha256(body).hexdigest().encode() + b"\n" + body)
            part.replace(target)
            self._written = True
        except OSError:
            with suppress(OSError):
                part.unlink()

    def close(self) -> None:
        """Keep the folder within its bounds: the oldest entries go."""
        if not self._written:
            return
        with suppress(OSError), os.scandir(self._folder) as entries:
            known = [(one.stat().st_mtime, one.stat().st_size, one.path) for one in entries]
            total = sum(size for _, size, _ in known)
            if len(known) <= MAX_ENTRIES and total <= MAX_TOTAL_BYTES:
                return
            left = len(known)
            for _, size, path in sorted(known):
                if left <= MAX_ENTRIES * _KEPT and total <= MAX_TOTAL_BYTES * _KEPT:
                    break
                Path(path).unlink(missing_ok=True)
                left, total = left - 1, total - size

    def _key(self, path: Path, named: bool, digest: str) -> str:
        return _digest(self._scope, str(path), str(named), digest)


def code_digest() -> str:
    """Of everything in this package that decides a verdict."""
    found = sha256()
    for here, folders, files in os.walk(Path(__file__).parents[1]):
        folders[:] = sorted(name for name in folders if name not in _DECIDES_NOTHING)
        for name in sorted(files):
            if name.endswith(_CODE):
                path = os.path.join(here, name)  # noqa: PTH118 - a hundred at each start
                found.update(f"{name}\0".encode())
                with open(path, "rb") as file:  # noqa: PTH123
                    found.update(sha256(file.read()).digest())
    return found.hexdigest()


def _policy_parts(policy: Policy, today: date) -> list[str]:
    """What of a policy decides a verdict: not its waivers, and the day only for old prices."""
    cost = policy.cost
    parts = [repr(replace(policy, path="", waivers=(), today=None)), _digest_of_file(cost.prices)]
    return [*parts, str(policy.today or today)] if cost.has_ceilings else parts


def _digest(*parts: str) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()


def _digest_of_file(file: Path | str) -> str:
    try:
        return sha256(Path(file).read_bytes()).hexdigest()
    except (OSError, ValueError):
        return ""


def _prepared(folder: Path) -> bool:
    """Whether the folder is there, this user's, and nobody else can write into it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return mine and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _own_content(path: Path) -> bytes:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or status.st_size > 2 * MAX_ENTRY_BYTES:
            raise OSError(f"{path} is somebody else's")
        return file.read()


def _as_json(judged: Judged) -> dict[str, Any]:
    return {
        "findings": [astuple(one)[:9] for one in judged.findings],
        "errors": [astuple(one) for one in judged.errors],
        "files": judged.files,
        "counts": judged.counts,
        "not_covered": judged.not_covered,
        "unknown_types": judged.unknown_types,
        "not_followed": judged.not_followed,
    }


def _from_json(body: dict[str, Any]) -> Judged:
    return Judged(
        findings=[Finding(*row) for row in body["findings"]],
        errors=[Problem(*row) for row in body["errors"]],
        files=body["files"],
        counts=Counter(body["counts"]),
        not_covered=Counter(body["not_covered"]),
        unknown_types=Counter(body["unknown_types"]),
        not_followed=body["not_followed"],
    )

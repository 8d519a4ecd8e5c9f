"""Cache of verdicts, keyed by template, policy, parameters and code.

An entry is a JSON file in a folder that only the user can write, and is replaced atomically. A
damaged, outdated or foreign entry counts as missing. Waivers and baseline are not part of an entry:
the run applies them afterwards.
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
_KEPT_SHARE = 0.75  # share of the bounds that `close` keeps when it removes the oldest entries
_CODE = (".py", ".toml", ".json")
_NOT_DECISIVE = ("__pycache__", "cli", "formatters", "mutation")


def default_folder(environment: Mapping[str, str]) -> Path | None:
    """The user's cache folder for verdicts; None where the environment names no absolute folder.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    base, home = environment.get("XDG_CACHE_HOME", ""), environment.get("HOME", "")
    if not base.startswith("/"):
        if not home.startswith("/"):
            return None
        base = f"{home}/.cache"
    return Path(base) / "tinyllama-on-demand" / "verdicts"


class Cache:
    """The cache in a folder, for one policy, one set of parameters and one version of the code.

    Where the folder is not private to the user, the cache is empty and keeps nothing.
    """

    def __init__(self, folder: Path, policy: Policy, given: Given, today: date) -> None:
        self._folder = folder
        self._written = False
        self._is_ours = _prepare_private(folder)
        if self._is_ours:
            self._scope = _digest(
                code_digest(),
                sys.version,
                yaml.__version__,
                *_policy_parts(policy, today),
                json.dumps(given, sort_keys=True),
            )

    def get(self, source: Source, named: bool, sources: Sources) -> Judged | None:
        """The cached verdicts on a file; None unless it and the files it nests are unchanged.

        Args:
            source: path and content of the file.
            named: whether the user named the file itself.
            sources: reads the files that the template nests.
        """
        if not self._is_ours:
            return None
        key = self._key(source.path, named, source.digest)
        try:
            content = _own_content(self._folder / key)
            check, body = content[:64], content[65:]
            if check != sha256(body).hexdigest().encode():
                return None
            judged = _from_json(json.loads(body))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        try:
            is_same = all(
                sources.read(Path(file)).digest == judged.files[file] for file in judged.files
            )
        except TemplateError:
            return None
        return judged if is_same else None

    def put(self, path: Path, named: bool, judged: Judged) -> None:
        """Store the verdicts on a file; a failure to write is ignored."""
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
        """Remove the oldest entries where the folder exceeds its bounds."""
        if not self._written:
            return
        with suppress(OSError), os.scandir(self._folder) as entries:
            files = [(entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in entries]
            total = sum(size for _, size, _ in files)
            if len(files) <= MAX_ENTRIES and total <= MAX_TOTAL_BYTES:
                return
            count = len(files)
            for _, size, path in sorted(files):
                if count <= MAX_ENTRIES * _KEPT_SHARE and total <= MAX_TOTAL_BYTES * _KEPT_SHARE:
                    break
                Path(path).unlink(missing_ok=True)
                count, total = count - 1, total - size

    def _key(self, path: Path, named: bool, digest: str) -> str:
        return _digest(self._scope, str(path), str(named), digest)


def code_digest() -> str:
    """Digest of every file in this package that can change a verdict."""
    digest = sha256()
    for folder, folders, files in os.walk(Path(__file__).parents[1]):
        folders[:] = sorted(name for name in folders if name not in _NOT_DECISIVE)
        for name in sorted(files):
            if name.endswith(_CODE):
                path = os.path.join(folder, name)  # noqa: PTH118 - a hundred at each start
                digest.update(f"{name}\0".encode())
                with open(path, "rb") as file:  # noqa: PTH123
                    digest.update(sha256(file.read()).digest())
    return digest.hexdigest()


def _policy_parts(policy: Policy, today: date) -> list[str]:
    """The parts of a policy that can change a verdict.

    Waivers cannot; the day can only where the policy has ceilings, because prices grow old.
    """
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


def _prepare_private(folder: Path) -> bool:
    """Create the folder; whether it belongs to this user and no other user can write into it."""
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
            raise OSError(f"{path} belongs to another user, or is too large")
        return file.read()


def _as_json(judged: Judged) -> dict[str, Any]:
    return {
        "findings": [astuple(finding)[:9] for finding in judged.findings],
        "errors": [astuple(problem) for problem in judged.errors],
        "files": judged.files,
        "counts": judged.counts,
        "not_covered": judged.not_covered,
        "unknown_types": judged.unknown_types,
        "not_followed": judged.not_followed,
        "declared": judged.declared,
        "refused": judged.refused,
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
        declared=body["declared"],
        refused=body["refused"],
    )

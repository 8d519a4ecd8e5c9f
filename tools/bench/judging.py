"""`tl check` beside its peers: checkov with the same rules, and cfn-guard with four of them.

A measurement is a whole command, start-up included, as a person or a hook runs it. checkov runs the
rules through their adapter, cfn-guard what four of them intend (`four_intents.guard`).
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tljudge.cli.errors import UsageError
from tools.bench import corpus
from tools.bench.measure import Comparison, Ran, alternately, run
from tools.deploy.environments import ROOT

ROUNDS = 5
CLEAN_OR_FINDINGS = (0, 1)
_GUARD = Path("node_modules/@cdklabs/cdk-validator-cfnguard/bin/ubuntu/x86_64/cfn-guard")


@dataclass(frozen=True, slots=True)
class Peers:
    """The paths of the peers' programs."""

    checkov: Path
    guard: Path


def peers() -> Peers:
    """The peers in their environments.

    Raises:
        UsageError: a peer is not installed; says how to install it.
    """
    checkov = ROOT / ".tox" / "checkov" / "bin" / "checkov"
    guard = Path(os.environ.get("TL_BENCH_FOLDER", ROOT / ".tox" / "bench")) / _GUARD
    for path in (checkov, guard):
        if not path.exists():
            raise UsageError(f"bench: no {path}; run `.venv/bin/tox run -e checkov,bench --notest`")
    return Peers(checkov, guard)


def judging(count: int) -> Iterator[Comparison]:
    """Measure one template, `count` templates, and `count` that have not changed since."""
    programs = peers()
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as name:
        folder = Path(name)
        single, many = folder / "single", folder / "many"
        for target, number in ((single, 1), (many, count)):
            target.mkdir()
            corpus.write(target, number)
        bench = _Bench(programs, folder)
        yield from _single(bench, single)
        yield from _many(bench, many, count)


def _single(bench: "_Bench", single: Path) -> Iterator[Comparison]:
    ours, checkov, bare = alternately(
        ROUNDS,
        lambda: bench.tl(single, "--no-cache").seconds * 1e3,
        lambda: bench.checkov(single).seconds * 1e3,
        bench.bare,
    )
    note = f"the interpreter alone takes {bare:.0f} ms"
    yield Comparison("one template", "ms", ours, checkov, "checkov, same rules", 15, True, note)
    yield Comparison("one template, limit", "ms", ours, 150, "the limit", 1, is_faster=False)


def _many(bench: "_Bench", many: Path, count: int) -> Iterator[Comparison]:
    cold = bench.tl(many, "--no-cache")
    guard = bench.guard(many)
    again = bench.tl(many, "--no-cache")
    checkov = bench.checkov(many)
    seconds = (cold.seconds + again.seconds) / 2
    name = f"{count} templates"
    yield Comparison(name, "s", seconds, checkov.seconds, "checkov, same rules", 30, True)
    yield Comparison(
        f"{name}, each", "ms", seconds / count * 1e3, guard.seconds / count * 1e3,
        "cfn-guard, four intents", 1, is_faster=True,
    )  # fmt: skip
    note = f"checkov {checkov.peak_mib:.0f}, cfn-guard {guard.peak_mib:.0f} MiB"
    peak_mib = max(cold.peak_mib, again.peak_mib)
    yield Comparison(f"{name}, memory", "MiB", peak_mib, 64, "the limit", 1, False, note)
    bench.tl(many)
    warm = bench.tl(many)
    yield Comparison(
        f"{name}, unchanged", "s", warm.seconds, seconds, "ours without the cache", 5, True
    )


class _Bench:
    def __init__(self, programs: Peers, folder: Path) -> None:
        self._peers, self._folder = programs, folder
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = kept | {"XDG_CACHE_HOME": str(folder / "cache"), "LOG_LEVEL": "ERROR"}

    def tl(self, templates: Path, *options: str) -> Ran:
        return self._run(
            [str(Path(sys.executable).with_name("tl")), "check", str(templates), *options]
        )

    def checkov(self, templates: Path) -> Ran:
        rules = ROOT / "compliance" / "checkov_rules"
        command = [str(self._peers.checkov), "-d", str(templates), "--framework", "cloudformation"]
        command += ["--external-checks-dir", str(rules), "--check", "TL_*"]
        return self._run([*command, "--skip-download", "--quiet", "--compact"])

    def guard(self, templates: Path) -> Ran:
        rules = Path(__file__).with_name("four_intents.guard")
        command = [str(self._peers.guard), "validate", "-d", str(templates), "-r", str(rules)]
        # Its quickest report. Its other reports show the code around each finding, and take thirty
        # times as long.
        command += ["--show-summary", "none", "--structured", "--output-format", "json"]
        return self._run(command, codes=(0, 5, 19))

    def bare(self) -> float:
        """Milliseconds that the interpreter needs to start and end."""
        return self._run([sys.executable, "-I", "-S", "-c", "pass"]).seconds * 1e3

    def _run(self, command: list[str], codes: tuple[int, ...] = CLEAN_OR_FINDINGS) -> Ran:
        return run(command, cwd=self._folder, environment=self._environment, codes=codes)

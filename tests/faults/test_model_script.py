"""model.sh with stubs for docker, the GPU and the network: what is fetched, refused and started.

There is no Docker here: the arguments are seen, the server is not. tools/try_gpu.sh tries it.
Long because the stubs of a whole machine stand beside what is asked of them.
"""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.parts import HANDLERS

WEIGHTS = b"weights"
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
CUDA, CPU = (f"ghcr.io/example/server@sha256:{digit * 64}" for digit in "ab")
STUB = """#!/bin/bash
printf '%s' "${0##*/}" >>"$MACHINE/calls"
printf ' %s' "$@" >>"$MACHINE/calls"
printf '\\n' >>"$MACHINE/calls"
"""
STUBS = {
    "docker": """case "$1 $2" in
  "image inspect") [ -e "$MACHINE/images/${3##*:}" ] ;;
  "pull --quiet") [ ! -e "$MACHINE/no-registry" ] && touch "$MACHINE/images/${3##*:}" ;;
  "info --format") cat "$MACHINE/cgroup-driver" ;;
esac
""",
    "curl": """while [ "$1" != --output ]; do shift; done
[ -e "$MACHINE/no-ranges" ] && [ -e "$2" ] && exit 33
[ ! -e "$MACHINE/no-network" ] && cat "$MACHINE/published" >"$2"
""",
    "df": 'echo Avail; cat "$MACHINE/free"\n',
    "systemctl": 'cat "$MACHINE/denied"\n',
    "nvidia-smi": '[ -e "$MACHINE/gpu" ] && echo "GPU 0: Tesla T4 (UUID: GPU-0)"\n',
    "nproc": "echo 4\n",
    "aws": "",
}


@dataclass
class Machine:
    """A machine's disk with the settings that boot.sh has left, and what was called on it."""

    root: Path
    settings: dict[str, object] = field(default_factory=dict)

    def model(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run model.sh to its end."""
        (self.root / "opt/settings.json").write_text(json.dumps(self.settings))
        (self.root / "calls").write_text("")
        return subprocess.run(
            ["bash", str(HANDLERS / "node" / "model.sh"), *arguments],
            env={
                "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
                "MACHINE": str(self.root),
                "TL_HOME": str(self.root / "opt"),
                "TL_MODELS": str(self.root / "models"),
                "TL_PYTHON": sys.executable,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, name: str) -> list[str]:
        """The arguments of each call of one command."""
        lines = (self.root / "calls").read_text().splitlines()
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]

    def reasons(self) -> list[str]:
        """The reasons of the failures that were counted."""
        return [call.partition("Reason=")[2].split()[0] for call in self.calls("aws")]

    def files(self) -> list[str]:
        """What stands beside the weights."""
        return sorted(path.name for path in (self.root / "models").iterdir())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with 20 GB free, systemd's cgroups, and a slice that denies every address."""
    for folder in ("bin", "opt", "images"):
        (tmp_path / folder).mkdir()
    for name, acts in STUBS.items():
        (tmp_path / "bin" / name).write_text(STUB + acts)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "published").write_bytes(WEIGHTS)
    (tmp_path / "free").write_text("20000000000\n")
    (tmp_path / "cgroup-driver").write_text("systemd\n")
    (tmp_path / "denied").write_text("::/0 0.0.0.0/0\n")
    weights = {"url": "https://example.com/w.gguf", "sha256": SHA256, "bytes": len(WEIGHTS)}
    return Machine(
        tmp_path,
        {
            "stack": "test",
            "model": {"url": "http://127.0.0.1:8080/v1", "name": "tiny-1.1b"},
            "slots": 4,
            "server": {"cudaImage": CUDA, "cpuImage": CPU, "context": 2048, "weights": weights},
        },
    )


@pytest.fixture
def installed(machine: Machine) -> Machine:
    """The same after its installation."""
    done = machine.model("install")
    assert done.returncode == 0, done.stderr
    return machine


def test_install_fetches_both_images_and_the_weights(machine: Machine) -> None:
    """Each once: a second installation asks nobody."""
    assert machine.model("install").returncode == 0
    pulls = [call for call in machine.calls("docker") if call.startswith("pull")]
    assert pulls == [f"pull --quiet {CPU}", f"pull --quiet {CUDA}"]
    assert machine.files() == [f"{SHA256}.gguf"]
    [download] = machine.calls("curl")
    assert "--continue-at -" in download
    assert download.endswith("https://example.com/w.gguf")
    assert machine.model("install").returncode == 0
    assert machine.calls("curl") == []
    assert not any(call.startswith("pull") for call in machine.calls("docker"))


@pytest.mark.fault(
    fault="the weights are not those that the stack names",
    place="the node's installation",
    user_sees="503 `node_unavailable`, or job `failed` with `not_started`",
    lost="nothing",
    recovers="the node says so, counts it and powers off; the next start tries again",
)
def test_install_refuses_weights_with_another_hash(machine: Machine) -> None:
    """Nothing of them is left, and no image is pulled after them."""
    (machine.root / "published").write_bytes(b"weightz")
    refused = machine.model("install")
    assert refused.returncode == 1
    assert f"not {SHA256}; they were removed" in refused.stderr
    assert machine.files() == []
    assert machine.reasons() == ["weights"]
    assert not any(call.startswith("pull") for call in machine.calls("docker"))


@pytest.mark.parametrize(
    ("free_bytes", "has", "is_refused"),
    [
        # Images 7.5 GB, weights 7 bytes, 2 GB to spare.
        (9_500_000_006, "nothing", True),
        (9_500_000_007, "nothing", False),
        (3_000_000_000, "cuda and weights", False),
        (2_999_999_999, "cuda and weights", True),
        (1, "all", False),
    ],
)
def test_install_counts_the_disk_before_it_fetches(
    free_bytes: int, has: str, *, is_refused: bool, machine: Machine
) -> None:
    """What is missing and what must stay free, against what is free; refused before a download."""
    if has != "nothing":
        assert machine.model("install").returncode == 0
    if has == "cuda and weights":
        (machine.root / "images" / ("b" * 64)).unlink()
    (machine.root / "free").write_text(f"{free_bytes}\n")
    done = machine.model("install")
    assert done.returncode == int(is_refused)
    fetched = [call for call in machine.calls("docker") if call.startswith("pull")]
    if is_refused:
        assert "are free" in done.stderr
        assert machine.reasons() == ["disk"]
        assert (fetched, machine.calls("curl")) == ([], [])


@pytest.mark.parametrize(
    ("missing", "reason"), [("no-network", "weights"), ("no-registry", "image")]
)
def test_install_says_what_it_cannot_fetch(missing: str, reason: str, machine: Machine) -> None:
    """It fails, so that systemd or the next boot tries again."""
    (machine.root / missing).touch()
    assert machine.model("install").returncode == 1
    assert machine.reasons() == [reason]


def test_install_begins_anew_where_a_server_cannot_go_on(machine: Machine) -> None:
    """curl's own code for that, on what an interrupted download left."""
    (machine.root / "models").mkdir()
    (machine.root / "models" / f"{SHA256}.gguf.part").write_bytes(WEIGHTS[:2])
    (machine.root / "no-ranges").touch()
    assert machine.model("install").returncode == 0
    assert len(machine.calls("curl")) == 2
    assert machine.files() == [f"{SHA256}.gguf"]


def test_install_removes_the_weights_of_an_earlier_setting(installed: Machine) -> None:
    """Two models do not fit for long."""
    (installed.root / "models" / "older.gguf").touch()
    (installed.root / "models" / "older.gguf.part").touch()
    assert installed.model("install").returncode == 0
    assert installed.files() == [f"{SHA256}.gguf"]


def arguments(machine: Machine) -> list[str]:
    """The arguments of the one container that was started."""
    [run] = [call for call in machine.calls("docker") if call.startswith("run ")]
    return run.split()


def after(name: str, given: list[str]) -> str:
    """The value of an option."""
    return given[given.index(name) + 1]


def test_run_offloads_everything_where_there_is_a_gpu(installed: Machine) -> None:
    """The CUDA image, all devices, every layer."""
    (installed.root / "gpu").touch()
    assert installed.model("run").returncode == 0
    given = arguments(installed)
    assert (after("--gpus", given), after("--n-gpu-layers", given)) == ("all", "999")
    assert CUDA in given
    assert CPU not in given


def test_run_uses_the_processor_where_there_is_none(installed: Machine) -> None:
    """The same arguments without the GPU's; also where nvidia-smi is missing."""
    assert installed.model("run").returncode == 0
    given = arguments(installed)
    assert CPU in given
    assert not {"--gpus", "--n-gpu-layers", CUDA} & set(given)
    (installed.root / "gpu").touch()
    assert installed.model("run").returncode == 0
    with_gpu = arguments(installed)
    for extra in ("--gpus", "all", "--n-gpu-layers", "999"):
        with_gpu.remove(extra)
    assert [CPU if word == CUDA else word for word in with_gpu] == given


def test_run_gives_each_slot_its_context(installed: Machine) -> None:
    """4 slots of 2,048 tokens share one context of 8,192."""
    installed.model("run")
    given = arguments(installed)
    assert (after("--parallel", given), after("--ctx-size", given)) == ("4", "8192")
    assert (after("--alias", given), after("--threads", given)) == ("tiny-1.1b", "4")
    assert "--no-context-shift" in given


def test_run_leaves_the_container_nothing_to_change_or_reach(installed: Machine) -> None:
    """Read-only, no capability, no user of the machine, loopback, and the slice that denies the
    rest."""
    installed.model("run")
    given = arguments(installed)
    assert after("--host", given) == "127.0.0.1"
    assert after("--cap-drop", given) == "ALL"
    assert after("--security-opt", given) == "no-new-privileges"
    assert after("--user", given) == "65534:65534"
    assert after("--cgroup-parent", given) == "tinyllama-model.slice"
    assert after("--pull", given) == "never"
    assert after("--mount", given) == (
        f"type=bind,source={installed.root}/models/{SHA256}.gguf,target=/model.gguf,readonly"
    )
    assert "--read-only" in given
    assert not {"--privileged", "--publish", "-p", "--volume", "-v"} & set(given)


@pytest.mark.parametrize(
    ("file", "content"),
    [("cgroup-driver", "cgroupfs\n"), ("denied", "\n"), ("denied", "10.0.0.0/8\n")],
)
def test_run_refuses_a_machine_that_does_not_confine_it(
    file: str, content: str, installed: Machine
) -> None:
    """Where the slice would not hold, the server could ask the metadata service for credentials."""
    (installed.root / file).write_text(content)
    refused = installed.model("run")
    assert refused.returncode == 1
    assert installed.reasons() == ["confinement"]
    assert not any(call.startswith("run") for call in installed.calls("docker"))


@pytest.mark.parametrize(
    "changed",
    [
        {"slots": 0},
        {"slots": "4 --privileged"},
        {"stack": "a b"},
        {"model": {"name": "--privileged"}},
        {"server": {}},
    ],
)
def test_wrong_settings_become_no_arguments(changed: dict[str, object], machine: Machine) -> None:
    """The document is checked again where it becomes a command line."""
    machine.settings |= changed
    refused = machine.model("run")
    assert refused.returncode == 1
    assert machine.reasons() == ["settings"]
    assert machine.calls("docker") == []


def test_unknown_command_is_a_usage_error(machine: Machine) -> None:
    """And nothing is done."""
    assert machine.model("remove").returncode == 2
    assert machine.calls("docker") == []

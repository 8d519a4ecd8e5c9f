"""The GPU's load: read from a stub of nvidia-smi, sent to an endpoint that keeps what it gets."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from node import gpu
from node.boot import Boot
from node.gpu import Load, read
from node.settings import NodeSettings, parse
from node.stopping import Stopper
from node.verdict import Limits
from node.watchdog import Watchdog
from tests.faults.parts import Node
from tests.faults.test_watchdog import Aws

MakeStub = Callable[[str], None]


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeStub:
    """Puts a nvidia-smi into PATH that runs a line of shell."""

    def make(line: str) -> None:
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """An endpoint of CloudWatch, which the AWS libraries take from the environment."""
    with closing(Aws()) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{endpoint.port}")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield endpoint


def sent(cloudwatch: Aws) -> list[bytes]:
    """What was sent."""
    return [body for _, body in cloudwatch.asked]


@pytest.mark.parametrize(
    ("line", "load"),
    [
        ("echo '97, 1024'", Load(97, 1024)),
        ("echo '0, 3'; echo '99, 9'", Load(0, 3)),
        ("echo '[N/A], [N/A]'", None),
        ("echo 'Failed to initialize NVML'", None),
        ("echo '97, 1024'; exit 9", None),
        ("printf '\\377'", None),
        ("", None),
    ],
)
def test_read_takes_the_first_gpu_or_nothing(line: str, load: Load | None, smi: MakeStub) -> None:
    """A failure or another text tells nothing; a second GPU is not asked for."""
    smi(line)
    assert read(limit_s=1.0) == load


def test_read_without_nvidia_smi_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """t3.small: no line each minute."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read() is None
    assert capsys.readouterr().out == ""


def test_read_gives_a_driver_that_hangs_up(smi: MakeStub) -> None:
    """The watchdog's minute goes on."""
    smi("exec sleep 60")
    began_s = time.monotonic()
    assert read(limit_s=0.2) is None
    assert time.monotonic() - began_s < 20


def test_report_sends_two_metrics_without_dimensions(smi: MakeStub, cloudwatch: Aws) -> None:
    """One request, in the stack's namespace: a dimension would be another metric to pay."""
    smi("echo '97, 1024'")
    gpu.report("test")
    [body] = sent(cloudwatch)
    for word in (b"TinyLlama/test", b"GpuUtilization", b"Percent", b"GpuMemoryUsed", b"Megabytes"):
        assert word in body
    assert b"Dimensions" not in body


def test_report_without_a_gpu_sends_nothing(smi: MakeStub, cloudwatch: Aws) -> None:
    """And asks nobody."""
    smi("exit 1")
    gpu.report("test")
    assert sent(cloudwatch) == []


def test_report_that_is_refused_is_a_line(
    smi: MakeStub, cloudwatch: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is raised, and nothing is tried again."""
    smi("echo '97, 1024'")
    cloudwatch.status = 403
    gpu.report("test")
    assert len(sent(cloudwatch)) == 1
    assert '"event": "gpu"' in capsys.readouterr().out


def test_watchdog_measures_after_it_has_decided_to_stay(
    tmp_path: Path, node: Callable[..., Node], cloudwatch: Aws
) -> None:
    """With the stack of the settings; a machine that is stopped, or without settings, is not
    measured."""
    document = node().settings_file.read_text()
    measured: list[str] = []
    for uptime_min, settings in ((9e9, document), (0.0, document), (9e9, "{")):

        def read_settings(text: str = settings) -> NodeSettings:
            return parse(text)

        watchdog = Watchdog(
            Boot("this", time.clock_gettime(time.CLOCK_BOOTTIME)),
            tmp_path,
            read_settings,
            lambda _: (1, 0),
            Stopper(["true"], lambda: "i-1"),
            Limits(),
            uptime_min=uptime_min,
            measure=measured.append,
        )
        watchdog.look()
    assert measured == ["test"]
    assert len(cloudwatch.metrics()) == 1

"""One LocalStack as a process, on loopback; always ended, with whatever it wrote."""

import os
import sys
from collections.abc import Iterator

import pytest
import urllib3

from tools.processes import ProcessGroup, free_port


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Its base URL. Types that it does not know are taken for made there: compare what is made."""
    group, port = ProcessGroup(), free_port()
    url = f"http://127.0.0.1:{port}"
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    try:
        group.start(
            "localstack",
            [sys.executable, "-m", "localstack.runtime.main"],
            environment=kept
            | {
                "DISABLE_EVENTS": "1",
                "DNS_ADDRESS": "0",
                "GATEWAY_LISTEN": f"127.0.0.1:{port}",
                "LOCALSTACK_HOST": f"127.0.0.1:{port}",
                "LOCALSTACK_VOLUME_DIR": str(group.folder / "volume"),
                "SKIP_SSL_CERT_DOWNLOAD": "1",
                "TMPDIR": str(group.folder),
            },
            ready=lambda: _answers(url),
            limit_s=300,
        )
        yield url
    finally:
        group.close()


def _answers(url: str) -> bool:
    try:
        return (
            urllib3.request("GET", f"{url}/_localstack/health", timeout=2, retries=False).status
            == 200
        )
    except urllib3.exceptions.HTTPError:
        return False

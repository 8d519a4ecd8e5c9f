"""One JSON line, and places instead of messages."""

import json

import pytest

from tinyllama.utils.observability.logs import place, write


def test_line_holds_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    """Fields that are None are left out; a newline in a value does not make a second line."""
    write("INFO", requestId="a\nb", error=None, latencyMs=1.5)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"level": "INFO", "requestId": "a\nb", "latencyMs": 1.5}


def test_place_is_told_without_the_message() -> None:
    """The innermost frames of the traceback, at most three, as file and line."""

    def outer(depth: int) -> None:
        if depth:
            outer(depth - 1)
        json.loads("secret")

    with pytest.raises(ValueError, match="Expecting value") as raised:
        outer(2)
    found = place(raised.value)
    assert "secret" not in found
    innermost, *others = found.split(" < ")
    assert innermost.rpartition(":")[0].endswith("json/decoder.py")
    assert len(others) == 2


def test_place_of_an_exception_never_raised_is_empty() -> None:
    """There is no traceback."""
    assert place(ValueError()) == ""

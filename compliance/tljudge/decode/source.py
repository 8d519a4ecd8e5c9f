"""Read template files: each file once, and none that is larger than a template may be."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tljudge.decode.errors import TemplateError

MAX_BYTES = 4 * 1024 * 1024  # the limit of CloudFormation is 1 MiB
KEPT_BYTES = 4 * 1024 * 1024
"""Bytes that one run keeps in memory; further files are read again when they are needed."""
_WORDS = (b"Resources", b"AWSTemplateFormatVersion", b"Transform")
_ESCAPED = re.compile(rb"\\[uUx\r\n]")  # a key may be written with escape sequences
_MEANT = re.compile(rb"AWSTemplateFormatVersion|AWS::")
_START = 1 << 16


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its path, its bytes, and their SHA-256 digest in hex."""

    path: Path
    content: bytes = field(repr=False)
    digest: str

    @classmethod
    def read(cls, path: Path) -> "Source":
        """Read a regular file of at most `MAX_BYTES` bytes.

        Raises:
            TemplateError: the file cannot be read, or is too large.
        """
        file = str(path)
        try:
            if not path.is_file():
                raise TemplateError(file, (1, 1), _no_file(path))
            size_bytes = path.stat().st_size
            if size_bytes > MAX_BYTES:
                size = f"has {size_bytes} bytes, more than the limit of {MAX_BYTES}"
                raise TemplateError(file, (1, 1), f"{size}; split the template")
            return cls.of(path, path.read_bytes())
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no file can have this name"
            raise TemplateError(
                file, (1, 1), f"cannot be read: {why}; check its name and permissions"
            ) from None

    @classmethod
    def of(cls, path: Path, content: bytes) -> "Source":
        """Build a source from bytes in memory."""
        return cls(path, content, sha256(content).hexdigest())

    def text(self) -> str:
        """Decode the bytes as UTF-8, with or without a byte order mark.

        Raises:
            TemplateError: the bytes are not UTF-8.
        """
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise TemplateError(
                str(self.path), (1, 1), f"byte {error.start} is not UTF-8; save it as UTF-8"
            ) from None

    def may_be_template(self) -> bool:
        """Whether the bytes may contain a word that every template has; nothing is parsed."""
        words = any(word in self.content for word in _WORDS)
        return words or _ESCAPED.search(self.content) is not None


def _no_file(path: Path) -> str:
    """Why the path cannot be read as a file, and what to do."""
    if path.is_symlink() and not path.exists():
        return "is a link that leads nowhere; mend or remove it"
    if not os.path.lexists(path):
        return "does not exist; name a template or a folder"
    if path.is_dir():
        with os.scandir(path):  # raises where the folder cannot be listed
            return "is a folder; name a template"
    return "is not a regular file; name a template or a folder"


def is_meant_as_template(path: Path) -> bool:
    """Whether a file that cannot be decoded looks like a template, by the words in its start.

    An unreadable file counts as a template, so that it is reported.
    """
    if path.exists() and not path.is_file():
        return False  # opening a pipe or device may block for ever
    try:
        with path.open("rb") as file:
            return _MEANT.search(file.read(_START)) is not None
    except (OSError, ValueError):
        return True


class Sources:
    """The files of one run, each read from disk once.

    Args:
        preloaded: files that the caller has read, or texts without a file.
    """

    def __init__(self, preloaded: Iterable[Source] = ()) -> None:
        self._kept = {source.path: source for source in preloaded}
        self._bytes = sum(len(source.content) for source in self._kept.values())

    def read(self, path: Path) -> Source:
        """Return the file as this run first read it.

        Raises:
            TemplateError: the file cannot be read, or is too large.
        """
        source = self._kept.get(path)
        if source is None:
            source = Source.read(path)
            if self._bytes + len(source.content) <= KEPT_BYTES:
                self._kept[path] = source
                self._bytes += len(source.content)
        return source

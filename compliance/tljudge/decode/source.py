"""Files of templates: each is read once, and never more of it than a template may have."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tljudge.decode.errors import TemplateError

MAX_BYTES = 4 * 1024 * 1024  # CloudFormation itself takes 1 MiB
KEPT_BYTES = 16 * 1024 * 1024
"""Bytes that one run keeps; files beyond that are read again when they are needed."""
_WORDS = (b"Resources", b"AWSTemplateFormatVersion", b"Transform")
_ESCAPED = re.compile(rb"\\[uUx\r\n]")  # a key may be written by the numbers of its letters
_MEANT = re.compile(rb"AWSTemplateFormatVersion|AWS::")
_START = 1 << 16


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path, its bytes, and the digest that tells these bytes from others."""

    path: Path
    content: bytes = field(repr=False)
    digest: str

    @classmethod
    def read(cls, path: Path) -> "Source":
        """Read a regular file that is no larger than a template may be.

        Raises:
            TemplateError: the file cannot be read, or is too large.
        """
        file = str(path)
        try:
            if not path.is_file():
                raise TemplateError(file, (1, 1), _no_file(path))
            size_bytes = path.stat().st_size
            if size_bytes > MAX_BYTES:
                found = f"{size_bytes} bytes, and {MAX_BYTES} are read at most"
                raise TemplateError(file, (1, 1), f"{found}; CloudFormation takes 1 MiB")
            return cls.of(path, path.read_bytes())
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its name is no file's"
            raise TemplateError(
                file, (1, 1), f"cannot be read: {why}; look at its name and permissions"
            ) from None

    @classmethod
    def of(cls, path: Path, content: bytes) -> "Source":
        """A source from bytes that the caller has already."""
        return cls(path, content, sha256(content).hexdigest())

    def text(self) -> str:
        """The bytes as text.

        Raises:
            TemplateError: they are not UTF-8.
        """
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise TemplateError(
                str(self.path), (1, 1), f"byte {error.start} is not UTF-8; save it as UTF-8"
            ) from None

    def may_be_template(self) -> bool:
        """Whether the words that every template has could be in the bytes, without parsing."""
        words = any(word in self.content for word in _WORDS)
        return words or _ESCAPED.search(self.content) is not None


def _no_file(path: Path) -> str:
    """Why a path is no file to read, and what to do."""
    if path.is_symlink() and not path.exists():
        return "is a link that leads nowhere; mend or remove it"
    if path.is_dir():
        with os.scandir(path):  # raises where the folder cannot be listed
            return "is a folder; name a template"
    return "is no regular file; name a template or a folder"


def is_meant_as_template(path: Path) -> bool:
    """Whether the author meant a template, in a file of a folder that could not be decoded."""
    if path.exists() and not path.is_file():
        return False  # a pipe or a device; to open one may wait for ever
    try:
        with path.open("rb") as file:
            return _MEANT.search(file.read(_START)) is not None
    except (OSError, ValueError):
        return True


class Sources:
    """The files of one run, each read from disk once.

    Args:
        known: files, or texts that stand in no file, that the caller has read already.
    """

    def __init__(self, known: Iterable[Source] = ()) -> None:
        self._kept = {source.path: source for source in known}
        self._bytes = sum(len(source.content) for source in self._kept.values())

    def read(self, path: Path) -> Source:
        """The file as this run first saw it.

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

    def forget(self, path: Path) -> None:
        """Drop a file that this run does not need again."""
        source = self._kept.pop(path, None)
        if source is not None:
            self._bytes -= len(source.content)

"""Image files, content-addressed: a PNG is named by the sha256 of its bytes, in a local folder or a bucket.

A file under its final name is whole: local ones are written beside it, flushed, and renamed; buckets put objects whole. What a crash leaves
behind is a hidden ``.….part`` file that is never taken for an image. Nothing is ever changed or removed.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# fsspec comes without types.

import errno
import hashlib
import io
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from data.errors import FatalError, LedgerError, UsageError

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ImageFiles:
    """The image files at ``location``: a local folder, made when needed, or a bucket's URL (``s3://bucket/folder``; any of fsspec's).

    Usable from several threads and processes at once. LedgerError where a file is missing or damaged; FatalError where none can be written.
    """

    def __init__(self, location: str) -> None:
        scheme = urlsplit(location).scheme
        self._place: _Place = _Bucket(location) if len(scheme) > 1 and scheme != "file" else _Folder(Path(location.removeprefix("file://")))

    def write(self, png: bytes) -> str:
        """Keeps a PNG's bytes; its sha256, under which it is found again."""
        sha256 = hashlib.sha256(png).hexdigest()
        self._place.write(_name(sha256), png)
        return sha256

    def read(self, sha256: str) -> bytes:
        """The PNG's bytes, checked against their hash."""
        try:
            png = self._place.read(_name(sha256))
        except FileNotFoundError:
            raise LedgerError(
                f"the image file {self.path(sha256)} is missing", hint="restore it, or run the trial again: the ledger forgets nothing else"
            ) from None
        except OSError as error:
            raise LedgerError(
                f"the image file {self.path(sha256)} can't be read: {error}", hint="look at its permissions and the disk"
            ) from error
        if hashlib.sha256(png).hexdigest() != sha256:
            raise LedgerError(f"the image file {self.path(sha256)} is damaged", hint="restore it, or remove it and run the trial again")
        return png

    def has(self, sha256: str) -> bool:
        """Whether the file is there; what it holds is only known by reading it."""
        return self._place.size(_name(sha256)) is not None

    def path(self, sha256: str) -> str:
        """Where the file is, to show to people."""
        return self._place.path(_name(sha256))

    def thumbnail(self, sha256: str, size: int = 256) -> bytes:
        """The image as WebP, at most ``size`` pixels wide and high; made when first asked for, and kept under ``thumbs/``."""
        name = f"thumbs/{size}/{sha256[:2]}/{_checked(sha256)}.webp"
        with suppress(FileNotFoundError):
            return self._place.read(name)
        png = self.read(sha256)
        try:
            webp = _shrunk(png, size)
        except OSError as error:
            raise LedgerError(f"the image file {self.path(sha256)} holds no image: {error}", hint="what wrote it?") from None
        self._place.write(name, webp)
        return webp


def _checked(sha256: str) -> str:
    """The hash, if it is one: it becomes part of a path, and may come from a URL."""
    if not _SHA256.fullmatch(sha256):
        raise UsageError(f"{sha256[:80]!r} is no sha256", hint="64 hex digits, lower case")
    return sha256


def _name(sha256: str) -> str:
    return f"{_checked(sha256)[:2]}/{sha256}.png"


def _shrunk(png: bytes, size: int) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB")
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    webp = io.BytesIO()
    small.save(webp, "WEBP", quality=82)
    return webp.getvalue()


class _Place(Protocol):
    """Keeps files by relative name: all of a file's bytes, or none of them."""

    def write(self, name: str, content: bytes) -> None: ...

    def read(self, name: str) -> bytes: ...

    def size(self, name: str) -> int | None:
        """In bytes; None where there is no such file."""
        ...

    def path(self, name: str) -> str: ...


class _Folder:
    """On this machine's disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, name: str, content: bytes) -> None:
        path = self._root / name
        if self.size(name) == len(content):
            return
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            _sync_folder(path.parent)
        except OSError as error:
            raise _unwritable(self._root, error) from error

    def read(self, name: str) -> bytes:
        return (self._root / name).read_bytes()

    def size(self, name: str) -> int | None:
        try:
            return (self._root / name).stat().st_size
        except OSError:
            return None

    def path(self, name: str) -> str:
        return str(self._root / name)


def _sync_folder(folder: Path) -> None:
    """Makes a rename outlive a power cut. Windows can't open folders, and does without."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Bucket:
    """In anything that fsspec reaches; objects there appear whole or not at all."""

    def __init__(self, location: str) -> None:
        import fsspec

        try:
            self._files, self._root = fsspec.url_to_fs(location)
        except (ImportError, ValueError) as error:
            scheme = urlsplit(location).scheme
            raise UsageError(
                f"{scheme}:// can't be reached: {error}", hint="install fsspec's driver for it: s3fs, gcsfs, adlfs …"
            ) from None

    def write(self, name: str, content: bytes) -> None:
        path = f"{self._root}/{name}"
        try:
            if self.size(name) != len(content):
                self._files.pipe_file(path, content)
        except OSError as error:
            raise _unwritable(path, error) from error

    def read(self, name: str) -> bytes:
        return bytes(self._files.cat_file(f"{self._root}/{name}"))

    def size(self, name: str) -> int | None:
        try:
            return int(self._files.size(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    def path(self, name: str) -> str:
        return str(self._files.unstrip_protocol(f"{self._root}/{name}"))


def _unwritable(where: Path | str, error: OSError) -> FatalError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FatalError(f"no space left for images in {where}", hint="free some, then `phoropter resume`")
    return FatalError(f"images can't be written to {where}: {error.strerror or error}", hint="allow it, then `phoropter resume`")

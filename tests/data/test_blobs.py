"""Image files, in a folder and in a bucket: whole or not there, and what they say they are."""

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
from PIL import Image

from data.blobs import ImageFiles
from data.errors import FatalError, LedgerError, UsageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["folder", "file URL", "bucket"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> ImageFiles:
    places = {"folder": str(tmp_path / "images"), "file URL": f"file://{tmp_path}/images", "bucket": f"memory://{uuid.uuid4().hex}/images"}
    return ImageFiles(places[request.param])


def a_png(size: tuple[int, int] = (600, 300)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def test_what_is_written_is_read(images: ImageFiles) -> None:
    sha256 = images.write(b"png")
    assert sha256 == hashlib.sha256(b"png").hexdigest()
    assert images.read(sha256) == b"png"
    assert images.has(sha256)
    assert images.path(sha256).endswith(f"/{sha256[:2]}/{sha256}.png")
    assert images.write(b"png") == sha256


def test_what_is_missing_is_said(images: ImageFiles) -> None:
    sha256 = "0" * 64
    assert not images.has(sha256)
    with pytest.raises(LedgerError, match="missing") as caught:
        images.read(sha256)
    assert caught.value.hint


@pytest.mark.parametrize("sha256", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, f"{'0' * 64}\n", f"../{'0' * 61}"])
def test_only_hashes_become_paths(images: ImageFiles, sha256: str) -> None:
    for method in (images.read, images.has, images.path, images.thumbnail):
        with pytest.raises(UsageError, match="sha256"):
            method(sha256)


def test_a_thumbnail_is_made_once(images: ImageFiles) -> None:
    sha256 = images.write(a_png())
    webp = images.thumbnail(sha256, 64)
    with Image.open(io.BytesIO(webp)) as image:
        assert (image.format, image.size) == ("WEBP", (64, 32))
    assert images.thumbnail(sha256, 64) == webp
    with Image.open(io.BytesIO(images.thumbnail(sha256))) as image:
        assert image.size == (256, 128)
    with pytest.raises(LedgerError, match="missing"):
        images.thumbnail("0" * 64)


def test_what_is_no_image_has_no_thumbnail(images: ImageFiles) -> None:
    sha256 = images.write(b"no image")
    with pytest.raises(LedgerError, match="no image"):
        images.thumbnail(sha256)


def test_a_damaged_file_is_noticed_and_a_cut_one_replaced(tmp_path: Path) -> None:
    images = ImageFiles(str(tmp_path))
    sha256 = images.write(b"0123456789")
    path = Path(images.path(sha256))
    path.write_bytes(b"012345678X")
    with pytest.raises(LedgerError, match="damaged"):
        images.read(sha256)
    path.write_bytes(b"0123")
    images.write(b"0123456789")
    assert images.read(sha256) == b"0123456789"


def test_a_full_disk_ends_the_run_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    images = ImageFiles(str(tmp_path))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FatalError, match="no space left") as caught:
        images.write(b"png")
    assert "phoropter resume" in caught.value.hint
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cant_be_written_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FatalError, match="can't be written"):
        ImageFiles(str(tmp_path / "file")).write(b"png")


def test_an_unknown_bucket_is_refused() -> None:
    with pytest.raises(UsageError, match="nowhere"):
        ImageFiles("nowhere://bucket")


def test_files_are_as_open_as_others(tmp_path: Path) -> None:
    images = ImageFiles(str(tmp_path / "images"))
    (tmp_path / "other").touch()
    assert Path(images.path(images.write(b"png"))).stat().st_mode == (tmp_path / "other").stat().st_mode


def test_threads_may_write_the_same_at_once(images: ImageFiles) -> None:
    contents = [bytes([number]) * 1000 for number in range(20)]
    threads = [threading.Thread(target=lambda: [images.write(content) for content in contents]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [images.read(hashlib.sha256(content).hexdigest()) for content in contents] == contents


WRITER = """
import os, sys
from data.blobs import ImageFiles
images = ImageFiles(sys.argv[1])
while True:
    print(images.write(os.urandom(4_000_000)), flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_kill_leaves_no_half_image(tmp_path: Path) -> None:
    for delay in (0.0, 0.003, 0.011):
        worker = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        told = [worker.stdout.readline().strip() for _ in range(3)]
        time.sleep(delay)
        worker.send_signal(signal.SIGKILL)
        told += worker.communicate()[0].split()
        images = ImageFiles(str(tmp_path))
        assert all(images.read(sha256) for sha256 in told if len(sha256) == 64)
    for path in tmp_path.rglob("*.png"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem

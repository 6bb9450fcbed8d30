"""Zips of adapters: what is taken out of them, and what is refused."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.model.adapter_files import CONFIG_NAME, WEIGHTS_NAME
from engine.runs.foreign.unpack import adapter_files

GOOD = {CONFIG_NAME: b"{}", WEIGHTS_NAME: b"weights"}


def zipped(
    path: Path, entries: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED, **modes: int
) -> tuple[Path, str]:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = kind
            info.external_attr = modes.get(Path(name).stem, stat.S_IFREG | 0o600) << 16
            archive.writestr(info, data)
    return path, "mine.zip"


def contents(upload: tuple[Path, str], scratch: Path, largest: float = 10**6) -> dict[str, bytes]:
    with adapter_files([upload], scratch, largest) as files:
        return {name: path.read_bytes() for name, path in files.items() if path.exists()}


@pytest.mark.parametrize(
    "folder", ["", "adapter/", "a/b/checkpoint-12/", "C:\\mine\\", "../../../"]
)
def test_the_files_that_are_read_come_out_by_their_names(tmp_path: Path, folder: str) -> None:
    """No path of the zip's is followed: what stands above the folder is not touched."""
    entries = {folder + name: data for name, data in GOOD.items()}
    entries |= {folder + "optimizer.pt": b"pickle", folder + "../adapter_config.bak": b"x"}
    scratch = tmp_path / "deep" / "er" / "scratch"
    found = contents(zipped(tmp_path / "a.zip", entries), scratch)
    assert found == GOOD
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.zip"], "all gone"


def test_files_that_were_added_one_by_one_stay_where_they_are(tmp_path: Path) -> None:
    uploads = []
    for name, data in GOOD.items():
        (tmp_path / name).write_bytes(data)
        uploads.append((tmp_path / name, name))
    with adapter_files(uploads, tmp_path, 1) as files:
        assert files == {name: tmp_path / name for name in GOOD}


def spoil_size(path: Path) -> None:
    """Say in the zip's list that a file is smaller than it is."""
    data = path.read_bytes()
    entry = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[: entry + 24] + struct.pack("<I", 3) + data[entry + 28 :])


@pytest.mark.parametrize("at", range(12))
def test_a_zip_with_damaged_contents_is_refused_and_leaves_nothing(tmp_path: Path, at: int) -> None:
    upload = zipped(tmp_path / "a.zip", GOOD | {WEIGHTS_NAME: bytes(range(256)) * 4})
    data, name = bytearray(upload[0].read_bytes()), WEIGHTS_NAME.encode()
    begin = data.index(name) + len(name) + at
    data[begin : begin + 2] = b"\xff\xff"
    upload[0].write_bytes(data)
    with pytest.raises(ModelError, match="damaged or no zip file"):
        contents(upload, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_is_packed_otherwise_is_refused(tmp_path: Path, kind: int) -> None:
    with pytest.raises(ModelError, match="Zip the folder again"):
        contents(zipped(tmp_path / "a.zip", GOOD, kind), tmp_path)


def test_what_goes_wrong_with_the_files_is_not_taken_for_a_damaged_zip(tmp_path: Path) -> None:
    upload = zipped(tmp_path / "a.zip", GOOD)
    with pytest.raises(NotImplementedError), adapter_files([upload], tmp_path, 10**6):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("two adapters", "holds 2 adapters (a, b)"),
        ("link", f"{WEIGHTS_NAME} is a link"),
        ("too large", "at most 4 kB can be added"),
        ("bomb", "at most 4 kB can be added"),
        ("password", "locked with a password"),
        ("no zip", "damaged or no zip file"),
        ("cut off", "damaged or no zip file"),
        ("lies about its size", "damaged or no zip file"),
        ("config", f"{CONFIG_NAME} is too large"),
        ("two files", "came with other files"),
    ],
)
def test_what_cannot_be_taken_is_said(tmp_path: Path, case: str, words: str) -> None:
    file = tmp_path / "a.zip"
    entries, modes = dict(GOOD), {}
    if case == "two adapters":
        entries = {f"{folder}/{name}": data for folder in "ab" for name, data in GOOD.items()}
    elif case == "link":
        entries[WEIGHTS_NAME], modes = b"/etc/passwd", {"adapter_model": stat.S_IFLNK | 0o777}
    elif case in ("too large", "bomb"):
        entries[WEIGHTS_NAME] = b"\0" * (10**4 if case == "too large" else 10**7)
    elif case == "config":
        entries[CONFIG_NAME] = b" " * (2**20 + 1)
    upload = zipped(file, entries, **modes)
    if case == "password":
        data = file.read_bytes()
        for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
            data = data.replace(
                mark + data[data.index(mark) + 4 : data.index(mark) + at],
                mark + data[data.index(mark) + 4 : data.index(mark) + at],
            )
            begin = data.index(mark) + at
            data = data[:begin] + struct.pack("<H", 1) + data[begin + 2 :]
        file.write_bytes(data)
    elif case == "no zip":
        file.write_bytes(b"weights")
    elif case == "cut off":
        file.write_bytes(file.read_bytes()[:60])
    elif case == "lies about its size":
        spoil_size(file)
    uploads = [upload, upload] if case == "two files" else [upload]
    with pytest.raises(ModelError) as caught, adapter_files(uploads, tmp_path, 4000):
        pass
    assert words in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"], "nothing is left"

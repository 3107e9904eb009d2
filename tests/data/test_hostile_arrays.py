"""Headers that claim more than their file has are refused before any memory is taken."""

import gzip
import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from chainrule.data import load_idx, load_npz
from chainrule.errors import DataError

CLAIMED = 3 * 10**9


@pytest.fixture(autouse=True)
def _little_memory():
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000_000


@pytest.mark.parametrize("packed", [True, False])
def test_an_idx_header_is_not_believed(tmp_path, packed):
    content = struct.pack(">BBBBI", 0, 0, 8, 1, CLAIMED) + bytes(1000)
    (tmp_path / "x").write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError, match="needs 3,000,000,000 bytes of numbers, and it has only 1,000"):
        load_idx(tmp_path / "x")


def test_the_header_of_an_array_in_an_archive_is_not_believed(tmp_path):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (CLAIMED,)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", file.getvalue() + bytes(1000))
    with pytest.raises(DataError, match=r"the array 'x' of .* needs 3,000,000,000 bytes, and it has fewer"):
        load_npz(tmp_path / "x.npz")


def test_what_is_packed_well_is_read(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1000, 1000), np.uint8), y=np.float64(3))
    found = load_npz(tmp_path / "x.npz")
    assert (found["x"].shape, float(found["y"])) == ((1000, 1000), 3)
    content = struct.pack(">BBBBI", 0, 0, 8, 1, 10**6) + bytes(10**6)
    (tmp_path / "x").write_bytes(gzip.compress(content))
    assert load_idx(tmp_path / "x").shape == (10**6,)

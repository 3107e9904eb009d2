"""The shipped digits, and the split that holds some of them back."""

import hashlib

import numpy as np
import pytest

from chainrule.data import digits, hold_out, load_digits
from chainrule.errors import ShapeError

SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_the_digits_are_the_uci_set():
    x, y = load_digits()
    assert x.shape == (1797, 64)
    assert x.dtype == np.float32
    assert y.dtype == np.int64
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (x[0, :16] * 16).tolist() == [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]
    counts = (x * 16).astype(np.uint8)
    np.testing.assert_array_equal(counts / np.float32(16), x)
    assert int(counts.sum()) == 561718
    assert hashlib.sha256(counts.tobytes() + y.astype(np.uint8).tobytes()).hexdigest() == SHA256


def test_the_digits_are_the_callers_own():
    x, _ = load_digits()
    x[:] = 0
    assert load_digits()[0].any()


def test_the_attribution_ships():
    text = digits.FILE.with_suffix(".txt").read_text()
    for part in ("E. Alpaydin and C. Kaynak", "1998", "CC BY 4.0", "UCI"):
        assert part in text


def test_hold_out_keeps_every_example_once_and_its_target_with_it():
    x, y = np.arange(50).reshape(25, 2), np.arange(25)
    x_train, y_train, x_held, y_held = hold_out(x, y, share=0.2, seed=3)
    assert len(x_held) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate([y_train, y_held])), y)
    np.testing.assert_array_equal(x_train[:, 0], 2 * y_train)
    np.testing.assert_array_equal(x_held[:, 0], 2 * y_held)


def test_hold_out_follows_its_seed():
    x = np.arange(100)
    np.testing.assert_array_equal(hold_out(x, x)[2], hold_out(x, x, seed=0)[2])
    assert not np.array_equal(hold_out(x, x)[2], hold_out(x, x, seed=1)[2])
    assert not np.array_equal(hold_out(x, x)[2], x[:20])


@pytest.mark.parametrize(
    ("x", "y", "share", "message"),
    [
        (np.ones((3, 2)), np.ones(4), 0.5, r"shapes \(3, 2\) and \(4,\)"),
        (np.ones(()), np.ones(()), 0.5, "as many targets"),
        (np.ones(3), np.ones(3), 0.0, "leaves a side empty"),
        (np.ones(3), np.ones(3), 1.0, "leaves a side empty"),
        (np.ones(0), np.ones(0), 0.5, "leaves a side empty"),
    ],
)
def test_hold_out_refuses(x, y, share, message):
    with pytest.raises(ShapeError, match=message):
        hold_out(x, y, share=share)

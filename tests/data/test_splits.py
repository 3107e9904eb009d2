"""Stratified splits and folds: every example once, every class in its share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import hold_out, k_folds
from chainrule.errors import ShapeError

CLASSES = st.lists(st.integers(0, 5), min_size=2, max_size=60).map(np.array)


@given(CLASSES, st.floats(0.05, 0.95), st.integers(0, 3))
def test_a_stratified_split_gives_each_class_its_share_within_one(y, share, seed):
    held_in_all = round(len(y) * share)
    if not 0 < held_in_all < len(y):
        return
    x_train, y_train, x_held, y_held = hold_out(np.arange(len(y)), y, share=share, seed=seed, stratify=True)
    np.testing.assert_array_equal(np.sort(np.concatenate([x_train, x_held])), np.arange(len(y)))
    np.testing.assert_array_equal(y[x_train], y_train)
    np.testing.assert_array_equal(y[x_held], y_held)
    assert len(x_held) == held_in_all
    for label in np.unique(y):
        exact = np.count_nonzero(y == label) * held_in_all / len(y)
        assert abs(np.count_nonzero(y_held == label) - exact) < 1


@given(CLASSES, st.integers(2, 6), st.booleans())
def test_folds_hold_every_example_back_once_and_are_even(y, k, stratify):
    if k > len(y):
        return
    folds = list(k_folds(y, k=k, seed=1, stratify=stratify))
    np.testing.assert_array_equal(np.sort(np.concatenate([held for _, held in folds])), np.arange(len(y)))
    for train, held in folds:
        np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.arange(len(y)))
    sizes = [len(held) for _, held in folds]
    assert max(sizes) - min(sizes) <= 1
    for label in np.unique(y) if stratify else ():
        counts = [np.count_nonzero(y[held] == label) for _, held in folds]
        assert max(counts) - min(counts) <= 1


def test_splits_follow_their_seed_and_take_names_of_classes():
    y = np.array(["cat", "dog"] * 20)
    one, again, other = (hold_out(np.arange(40), y, seed=seed, stratify=True)[2].tolist() for seed in (1, 1, 2))
    assert one == again != other
    one, again, other = ([held.tolist() for _, held in k_folds(y, seed=seed, stratify=True)] for seed in (1, 1, 2))
    assert one == again != other


def test_only_classes_can_be_stratified():
    with pytest.raises(ShapeError, match=r"hold_out stratifies by classes.*type float64"):
        hold_out(np.arange(9), np.linspace(0, 1, 9), stratify=True)
    with pytest.raises(ShapeError, match=r"k_folds stratifies by classes.*shape \(9, 1\)"):
        k_folds(np.zeros((9, 1), int), stratify=True)


@pytest.mark.parametrize(("y", "k"), [(np.arange(3), 4), (np.arange(3), 1), (np.array(3), 2)])
def test_folds_need_examples(y, k):
    with pytest.raises(ShapeError, match="from 2 folds to as many"):
        k_folds(y, k=k)

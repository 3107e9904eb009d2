"""Batches: all examples, in an order that the seed decides, from any place that was saved."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.data import DataLoader
from chainrule.errors import ChainruleError, ShapeError


@given(st.integers(1, 40), st.integers(1, 12), st.booleans(), st.integers(0, 9))
def test_an_epoch_has_every_example_once_with_its_target(count, batch_size, shuffle, seed):
    x = np.arange(2 * count).reshape(count, 2)
    loader = DataLoader(x, 10 * np.arange(count), batch_size=batch_size, shuffle=shuffle, rng=seed)
    for _ in range(2):
        batches = list(loader)
        assert len(batches) == len(loader) == -(-count // batch_size)
        assert all(len(images) == batch_size for images, _ in batches[:-1])
        assert loader.last_examples().tolist() == (batches[-1][1] // 10).tolist()
        together, targets = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        np.testing.assert_array_equal(5 * together[:, 0], targets)
        np.testing.assert_array_equal(np.sort(targets) if shuffle else targets, 10 * np.arange(count))


@given(
    st.integers(1, 20),
    st.integers(1, 6),
    st.booleans(),
    st.integers(0, 60),
    st.sampled_from(["before", "inside", "fresh"]),
)
def test_a_loader_goes_on_from_any_place_batch_for_batch(count, batch_size, shuffle, stop, kind):
    """Three epochs in one go, and the same three stopped after `stop` batches, saved as JSON and taken up elsewhere."""

    def made(seed):
        return DataLoader(np.arange(count), batch_size=batch_size, shuffle=shuffle, rng=seed)

    whole = made(5)
    expected = [batch.tolist() for _ in range(3) for batch in whole]
    first, seen, saved = made(5), [], None
    if kind == "fresh":
        saved = json.dumps(first.state_dict())
    while saved is None and first.epoch < 3:
        if kind == "before" and len(seen) >= stop:
            saved = json.dumps(first.state_dict())
            break
        for batch in first:
            seen.append(batch.tolist())
            if kind == "inside" and len(seen) >= stop:
                saved = json.dumps(first.state_dict())
                break
    saved = saved or json.dumps(first.state_dict())
    second = made(99)
    second.load_state_dict(json.loads(saved))
    while second.epoch < 3:
        seen += [batch.tolist() for batch in second]
    assert seen == expected


def test_epochs_differ_and_seeds_differ_and_a_seed_is_a_seed():
    def three(rng):
        loader = DataLoader(np.arange(50), batch_size=50, shuffle=True, rng=rng)
        return [batch.tolist() for _ in range(3) for batch in loader]

    assert three(3) == three(3) != three(4)
    assert len({tuple(order) for order in three(3)}) == 3
    assert three(np.random.default_rng(3)) == three(np.random.default_rng(3)) != three(3)
    assert three(None) != three(None)


def test_a_loop_that_was_broken_off_is_followed_by_another_epoch():
    loader = DataLoader(np.arange(6), batch_size=2)
    assert next(iter(loader)).tolist() == [0, 1]
    assert loader.epoch == 0
    assert [batch.tolist() for batch in loader] == [[0, 1], [2, 3], [4, 5]]
    assert loader.epoch == 2


def test_the_small_last_batch_can_be_dropped():
    loader = DataLoader(np.arange(7), batch_size=3, drop_last=True)
    assert [batch.tolist() for batch in loader] == [[0, 1, 2], [3, 4, 5]]
    assert len(loader) == 2


def test_shuffled_batches_are_copies_and_others_views():
    x = np.arange(4)
    assert next(iter(DataLoader(x, batch_size=2))).base is x
    (batch,) = DataLoader(x, batch_size=4, shuffle=True, rng=0)
    batch[:] = 9
    assert x.tolist() == [0, 1, 2, 3]


def test_tensors_and_lists_are_taken():
    ((x, y),) = DataLoader(cr.Tensor([[1.0], [2.0]]), [0, 1])
    assert type(x) is type(y) is np.ndarray
    assert (x.tolist(), y.tolist()) == ([[1.0], [2.0]], [0, 1])


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((np.ones((0, 3)),), {}, r"at least one example.*\(0, 3\)"),
        ((np.ones(()),), {}, "at least one example"),
        ((np.ones(3), np.ones(4)), {}, r"as many targets.*\(3,\) and \(4,\)"),
        ((np.ones(3), np.ones(())), {}, "as many targets"),
        ((np.ones(3),), {"batch_size": 0}, "at least 1, not 0"),
        ((np.ones(3),), {"batch_size": 1.5}, "DataLoader: batch_size is a whole number of at least 1, not 1.5"),
        ((np.ones(3),), {"batch_size": True}, "not True"),
        ((np.ones(3),), {"batch_size": "2"}, "not '2'"),
        ((np.ones(3),), {"batch_size": 4, "drop_last": True}, "no batch of 4 from 3"),
    ],
)
def test_what_gives_no_batches_is_refused(arguments, settings, message):
    with pytest.raises(ShapeError, match=message):
        DataLoader(*arguments, **settings)


def test_a_negative_seed_is_refused():
    with pytest.raises(ChainruleError, match="whole number from 0"):
        DataLoader(np.ones(3), rng=-1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"examples": 5}, "examples is 5, and here 4"),
        ({"batch_size": 3}, "batch_size is 3, and here 2"),
        ({"shuffle": False}, "shuffle is False, and here True"),
        ({"place": 3}, "an epoch has 2 batches"),
        ({"place": -1}, "place is -1"),
        ({"epoch": 0.5}, r"epoch is 0\.5"),
        ({"seed": None}, "seed is None"),
        ({"author": "?"}, "author, which is unknown"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    loader = DataLoader(np.arange(4), batch_size=2, shuffle=True, rng=0)
    before = loader.state_dict()
    with pytest.raises(ChainruleError, match=message):
        loader.load_state_dict({**before, **change})
    with pytest.raises(ChainruleError, match="examples is None"):
        loader.load_state_dict({})
    assert loader.state_dict() == before

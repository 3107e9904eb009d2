"""Where the first numbers of parameters come from."""

import numpy as np

import chainrule as cr
from chainrule.nn.draws import FEW, Unseeded, draws_of, is_generator


def test_few_and_many_numbers_without_a_seed_are_even_in_their_range_and_new_each_time():
    for shape in (5,), (FEW,), (FEW // 8, 2, 8):
        drawn = Unseeded().uniform(-0.5, 2.0, shape)
        assert drawn.shape == shape
        assert drawn.dtype == np.float64
        assert drawn.min() >= -0.5
        assert drawn.max() < 2.0
        assert len(np.unique(drawn)) == drawn.size
        if drawn.size >= FEW:  # ten deviations of a mean and of a share
            assert abs(drawn.mean() - 0.75) < 10 * 2.5 / np.sqrt(12 * FEW)
            shares = np.histogram(drawn, 8, (-0.5, 2.0))[0] / drawn.size
            assert abs(shares - 1 / 8).max() < 10 * np.sqrt(7 / 64 / FEW)
    assert not np.array_equal(cr.nn.Linear(2, 3).weight.data, cr.nn.Linear(2, 3).weight.data)


def test_a_seed_and_a_generator_draw_as_numpy_does_and_a_generator_is_told_from_other_things():
    assert draws_of(3).uniform(0, 1, (4,)).tolist() == np.random.default_rng(3).uniform(0, 1, 4).tolist()
    generator = np.random.default_rng(0)
    assert draws_of(generator) is generator
    assert is_generator(generator)
    assert not is_generator(Unseeded())
    assert not is_generator(np.random)

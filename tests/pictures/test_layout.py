"""Where things stand: no box over another, no text outside its box, frames around their own, arrows from box to box."""

import functools
import itertools
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.pictures.ink import Block, Line, Words, drawn
from chainrule.pictures.layout import DOWN, RIGHT, apart, placed
from chainrule.pictures.sketch import Arrow, Box, Frame, Sketch
from chainrule.pictures.widths import width_of

from .nets import NETS

pytest.importorskip("fast_sugiyama", reason="pictures are laid out by fast-sugiyama: pip install '.[draw]'")
LITTLE = 0.01


def overlap(one, other):
    """Whether two rectangles share more than an edge."""
    beside = one.x + one.w <= other.x + LITTLE or other.x + other.w <= one.x + LITTLE
    above = one.y + one.h <= other.y + LITTLE or other.y + other.h <= one.y + LITTLE
    return not (beside or above)


def inside(inner, outer):
    """Whether a rectangle lies in another."""
    left = outer.x - LITTLE <= inner.x and inner.x + inner.w <= outer.x + outer.w + LITTLE
    return left and outer.y - LITTLE <= inner.y and inner.y + inner.h <= outer.y + outer.h + LITTLE


def random_sketch(seed):
    """A graph of boxes without a meaning, with texts of any length, in frames that follow each other."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40))
    boxes = [Box("m" * int(rng.integers(1, 20)), data="1" * int(rng.integers(0, 9))) for _ in range(count)]
    arrows = []
    for target in range(1, count):
        sources = rng.integers(0, target, size=int(rng.integers(0, 4))).tolist()
        arrows += [Arrow(source, target, "9" * int(rng.integers(0, 8)), float(rng.random())) for source in sources]
    cut = sorted(rng.choice(count + 1, size=2, replace=False).tolist()) if count > 3 else [0, 0]
    frames = (Frame("a module", tuple(range(*cut))),) if cut[0] < cut[1] else ()
    return Sketch("random", tuple(boxes), tuple(arrows), frames)


SKETCHES = [pytest.param(make, id=make.__name__) for make in NETS] + [
    pytest.param(functools.partial(random_sketch, seed), id=f"random {seed}") for seed in range(16)
]


@functools.cache
def sketch_of(make):
    """The sketch of a net, made once."""
    made = make()
    return made if isinstance(made, Sketch) else cr.draw(made, open=True).sketch


@pytest.mark.parametrize("direction", [RIGHT, DOWN])
@pytest.mark.parametrize("make", SKETCHES)
def test_no_boxes_overlap_and_frames_hold_their_own_alone(make, direction):
    sketch = sketch_of(make)
    where = placed(sketch, direction)
    assert set(where.boxes) == set(range(len(sketch.boxes)))
    for one, other in itertools.combinations(where.boxes.values(), 2):
        assert not overlap(one, other)
    for frame, rect in where.frames:
        members = set(frame.members())
        for i, box in where.boxes.items():
            assert inside(box, rect) if i in members else not overlap(box, rect)
    for k, arrow in enumerate(sketch.arrows):
        (x, y), source = where.arrows[k][0], where.boxes[arrow.source]
        (x2, y2), target = where.arrows[k][-1], where.boxes[arrow.target]
        assert (x, y)[direction == DOWN] == pytest.approx(
            source.y + source.h if direction == DOWN else source.x + source.w
        )
        assert (x2, y2)[direction == DOWN] == pytest.approx(target.y if direction == DOWN else target.x)
        assert source.x - LITTLE <= x <= source.x + source.w + LITTLE
        assert target.y - LITTLE <= y2 <= target.y + target.h + LITTLE


def rect_of(words):
    """The room that a text takes, from its highest sign to its lowest."""
    from chainrule.pictures.layout import Rect

    left = {"start": 0.0, "middle": 0.5, "end": 1.0}[words.anchor]
    return Rect(words.x - left * words.width, words.y - 0.76 * words.size, words.width, words.size)


@pytest.mark.parametrize("direction", [RIGHT, DOWN])
@pytest.mark.parametrize("make", SKETCHES)
def test_no_text_outside_its_box_and_none_over_another(make, direction):
    drawing = drawn(sketch_of(make), direction)
    boxes = []
    for _, shapes in drawing.boxes:
        frame = next(shape.rect for shape in shapes if isinstance(shape, Block))
        boxes.append(frame)
        for words in shapes:
            if isinstance(words, Words):
                assert inside(rect_of(words), frame), words.text
    labels = [rect_of(shape) for _, shapes in drawing.arrows for shape in shapes if isinstance(shape, Words)]
    for label in labels:
        assert not any(overlap(label, box) for box in boxes)
    for one, other in itertools.combinations(labels, 2):
        assert not overlap(one, other)
    for shape in drawing.words:
        if isinstance(shape, Words):
            room = rect_of(shape)
            assert room.x >= 0
            assert room.x + room.w <= drawing.width


@pytest.mark.parametrize("direction", [RIGHT, DOWN])
@pytest.mark.parametrize("make", SKETCHES)
def test_no_arrow_passes_under_a_box(make, direction):
    sketch = sketch_of(make)
    drawing = drawn(sketch, direction)
    boxes = {i: next(s.rect for s in shapes if isinstance(s, Block)) for i, shapes in drawing.boxes}
    for k, shapes in drawing.arrows:
        ends = {sketch.arrows[k].source, sketch.arrows[k].target}
        line = next(shape for shape in shapes if isinstance(shape, Line))
        for x, y in along(line):
            for i, rect in boxes.items():
                if i not in ends:
                    assert not (rect.x + 1 < x < rect.x + rect.w - 1 and rect.y + 1 < y < rect.y + rect.h - 1)


def along(line):
    """Many points of a line, its bends included."""
    from chainrule.pictures.svg import bends

    (_, _, before), *rest = bends(line)
    for one, two, end in rest:
        for t in np.linspace(0, 1, 12):
            parts = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]
            yield tuple(
                sum(w * p[axis] for w, p in zip(parts, (before, one, two, end), strict=True)) for axis in (0, 1)
            )
        before = end


def test_the_widths_are_no_less_than_those_of_the_font():
    matplotlib = pytest.importorskip("matplotlib", reason="its fonts are what widths are compared with")
    from matplotlib.ft2font import FT2Font, LoadFlags

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name, bold in (("DejaVuSans.ttf", False), ("DejaVuSans-Bold.ttf", True)):
        font = FT2Font(fonts / name)
        for code in font.get_charmap():
            marks_around = code in (0x488, 0x489, 0x65A)  # of scripts that draw them in the room of a letter
            if 32 <= code < 0x2FFF and chr(code).isprintable() and not marks_around:
                real = font.load_char(code, LoadFlags.NO_SCALE).horiAdvance / font.units_per_EM
                assert width_of(chr(code), 1.0, bold=bold) >= min(real, 1.45) - 1e-9, chr(code)


def test_places_are_the_nearest_in_the_sense_of_least_squares():
    rng = np.random.default_rng(0)
    heights = [20.0] * 6
    wanted = [(float(y), 1.0) for y in rng.normal(0, 30, 6)]
    best = apart(heights, wanted, 22.0)
    cost = sum((a - b) ** 2 for a, (b, _) in zip(best, wanted, strict=True))
    assert all(b - a >= 42.0 - 1e-9 for a, b in itertools.pairwise(best))
    for _ in range(2000):
        other = np.array(best) + rng.normal(0, 3, 6)
        if np.all(np.diff(other) >= 42.0):
            assert sum((a - b) ** 2 for a, (b, _) in zip(other, wanted, strict=True)) >= cost - 1e-9

"""Graphs in a terminal: every box and label, every arrow traced from its source to its target, 80 columns, ASCII."""

import pytest

import chainrule as cr

from .nets import batch, chain, digits, long_labels, neuron, reuse, same_input_often, two_inputs

pytest.importorskip("fast_sugiyama", reason="pictures are laid out by fast-sugiyama: pip install '.[draw]'")

SMALL = (reuse, chain, neuron, two_inputs, same_input_often, long_labels)
SIDES = {
    "│": "UD", "─": "LR", "┌": "DR", "┐": "DL", "└": "UR", "┘": "UL", "┬": "LRD", "┴": "LRU", "├": "UDR", "┤": "UDL",
    "┼": "UDLR",
}  # fmt: skip
STEP = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}
BACK = {"U": "D", "D": "U", "L": "R", "R": "L"}


@pytest.mark.parametrize("make", SMALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("ascii", [False, True])
def test_everything_is_there_in_80_columns(make, ascii):
    output = make()
    output.backward()
    picture = cr.draw(output)
    lines = picture.text(ascii=ascii).splitlines()
    for line in lines:
        assert len(line) <= 80 or make is long_labels
        assert line.isascii() or not ascii
    if not ascii and make is not long_labels:
        whole = "\n".join(lines)
        for box in picture.sketch.boxes:
            assert box.title in whole
        assert whole.count("▼") == len(picture.sketch.arrows)


def sources_of(lines, row, column):
    """The bottoms of boxes that a head is joined to; a vertical line passes over a horizontal one."""

    def sign(place):
        r, c = place
        return lines[r][c] if 0 <= r < len(lines) and c < len(lines[r]) else " "

    found, todo, seen = set(), [((row - 1, column), "U")], set()
    while todo:
        place, going = todo.pop()
        if (place, going) in seen:
            continue
        seen.add((place, going))
        here = sign(place)
        if going == "U" and here == "─" and sign((place[0] - 1, place[1])) != " ":
            found.add(place)  # the bottom of a box
            continue
        if here == "│" and going in "LR":  # passed over
            todo.append(((place[0] + STEP[going][0], place[1] + STEP[going][1]), going))
            continue
        if here not in SIDES or BACK[going] not in SIDES[here]:
            continue
        # An arrow runs upwards to its source: it never turns down to another target.
        on = [side for side in SIDES[here] if side not in (BACK[going], "D")]
        todo += [((place[0] + STEP[side][0], place[1] + STEP[side][1]), side) for side in on]
    return found


@pytest.mark.parametrize("make", SMALL[:-1], ids=lambda make: make.__name__)
def test_each_arrow_leads_from_one_box(make):
    picture = cr.draw(make())
    lines = str(picture).splitlines()
    heads = [(r, c) for r, line in enumerate(lines) for c, sign in enumerate(line) if sign == "▼"]
    assert len(heads) == len(picture.sketch.arrows)
    ends = []
    for row, column in heads:
        (place,) = sources_of(lines, row, column)
        ends.append((title_above(lines, *place), title_below(lines, row, column)))
    titles = [box.title for box in picture.sketch.boxes]
    assert sorted(ends) == sorted((titles[x.source], titles[x.target]) for x in picture.sketch.arrows)


def title_above(lines, row, column):
    """The title of the box whose bottom this is."""
    left = lines[row].rindex("└", 0, column)
    top = next(r for r in range(row, -1, -1) if lines[r][left : left + 1] == "┌")
    right = lines[row].index("┘", column)
    return lines[top + 1][left + 1 : right].strip()


def title_below(lines, row, column):
    """The title of the box that a head points at."""
    left = lines[row + 1].rindex("┌", 0, column)
    right = lines[row + 1].index("┐", column)
    return lines[row + 2][left + 1 : right].strip()


def test_larger_graphs_say_how_to_get_a_picture():
    loss = chain()
    for _ in range(20):
        loss = loss * 2.0
    assert "29 boxes are too many" in str(cr.draw(loss))
    assert ".save('graph.svg')" in str(cr.draw(loss))


def test_what_is_too_wide_becomes_a_list():
    told = str(cr.draw(long_labels()))
    assert "data 2" in told
    assert "┌" not in told or max(map(len, told.splitlines())) <= 80


def test_names_in_modules_are_whole_where_no_frame_stands_around():
    assert "net[0].weight" in str(cr.draw(batch()))
    assert "net[0].weight" in cr.draw(digits()).text(width=200)

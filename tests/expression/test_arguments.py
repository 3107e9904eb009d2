"""What a program gives beside a formula: every argument is read in one place, and an error names it as Python does."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError, DtypeError, GraphError, ShapeError
from chainrule.expression.arguments import names_of, numbers_in, shapes_of, values_of, whole_number

NO_NUMBERS = {
    "none": None,
    "text": "3",
    "bytes": b"3",
    "complex": 1 + 2j,
    "complex entries": np.array([1j]),
    "texts": ["1", "2"],
    "a hole": [1.0, None],
    "an object": object(),
    "a mapping": {"a": 1.0},
    "dates": np.array(["2026-01-01"], dtype="datetime64[D]"),
    "too large": [10**400],
    "a generator": (x for x in [1.0]),
}
TAKEN = {
    "explain": lambda x: cr.explain("x**2", values={"x": x}),
    "derivative": lambda x: cr.derivative("x**2", "x", values={"x": x}),
    "grade": lambda x: cr.grade("L = x**2", "2*x", wrt="x", values={"x": x}),
    "degenerate": lambda x: cr.degenerate("L = x**2", {"x": x}),
    "page": lambda x: cr.page("L = x**2", values={"x": x}),
    "worksheet": lambda x: cr.worksheet("L = x**2", {"x": x}),
}
"""Functions that take values by name."""


@pytest.mark.parametrize("taken", TAKEN.values(), ids=TAKEN)
@pytest.mark.parametrize("x", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_a_value_that_is_no_number_is_refused_by_its_name(taken, x):
    with pytest.raises(DtypeError, match=r"^values\['x'\] is "):
        taken(x)


@pytest.mark.parametrize("taken", TAKEN.values(), ids=TAKEN)
@pytest.mark.parametrize("x", [[[1.0, 2.0], [3.0]], [1.0, [2.0]], [np.zeros(2), np.zeros(3)], [], np.zeros((0, 3))])
def test_a_value_that_is_ragged_or_empty_is_refused_by_its_name(taken, x):
    with pytest.raises(ShapeError, match=r"^values\['x'\] is "):
        taken(x)


@pytest.mark.parametrize(
    "take",
    [
        lambda given: cr.explain("x**2", values=given),
        lambda given: cr.derivative("x**2", "x", values=given),
        lambda given: cr.derivative("x**2", "x", shapes=given),
        lambda given: cr.explain("x**2", shapes=given),
        lambda given: cr.explain("x**2", values={"x": 1.0}, direction=given),
        lambda given: cr.grade("L = x**2", "2*x", wrt="x", values=given),
        lambda given: cr.grade("L = x**2", "2*x", wrt="x", shapes=given),
        lambda given: cr.degenerate("L = x**2", given),
        lambda given: cr.page("L = x**2", values=given),
        lambda given: cr.worksheet("L = x**2", given),
    ],
)
@pytest.mark.parametrize("given", [[3.0], 3.0, "x=3", [("x", 3.0)], {1: 3.0}], ids=repr)
def test_what_is_given_by_name_is_a_mapping(take, given):
    with pytest.raises(DtypeError, match=r"^(values|shapes|direction) is a mapping from names"):
        take(given)


@pytest.mark.parametrize("shape", [None, 2.0, "3x2", (-1,), 0, [2.0], (True,), ("3",)], ids=repr)
def test_a_shape_that_is_none_is_refused_by_its_name(shape):
    for take in (
        lambda: cr.explain("sum(x**2)", shapes={"x": shape}),
        lambda: cr.derivative("sum(x**2)", "x", shapes={"x": shape}),
        lambda: cr.grade("L = sum(x**2)", "2*x", wrt="x", shapes={"x": shape}),
        lambda: cr.degenerate("L = sum(x**2)", shapes={"x": shape}),
    ):
        with pytest.raises(ShapeError, match=r"^shapes\['x'\] is .* a shape is a tuple of positive whole numbers"):
            take()


def test_a_shape_is_a_number_or_several_of_any_whole_type():
    given = {"x": 3, "W": [2, 3], "b": np.array([2]), "c": (), "n": np.int64(4)}
    assert shapes_of(given) == {"x": (3,), "W": (2, 3), "b": (2,), "c": (), "n": (4,)}


def test_numbers_of_every_kind_are_read_as_floats():
    given = [True, np.int8(3), Fraction(1, 4), Decimal("0.5"), 10**30, cr.Value(2.0), cr.Tensor([2.0, 3.0]), range(2)]
    found = values_of({f"x{k}": x for k, x in enumerate(given)})
    assert [np.asarray(x).tolist() for x in found.values()] == [1, 3, 0.25, 0.5, 1e30, 2, [2, 3], [0, 1]]
    assert all(np.asarray(x).dtype == np.float64 for x in found.values())


def test_what_is_given_stays_as_it_is():
    given = np.array([1.0, 2.0])
    numbers_in("x", given)[0] = 5.0
    assert given[0] == 1.0


def test_numbers_of_a_library_are_read_and_its_refusal_is_told():
    torch = pytest.importorskip("torch")
    assert numbers_in("x", torch.ones(2)).tolist() == [1.0, 1.0]
    with pytest.raises(DtypeError, match=r"x is a Tensor that gives no numbers: .*detach"):
        numbers_in("x", torch.ones(2, requires_grad=True))


@pytest.mark.parametrize("wrt", [3, [3], cr.Value(2.0, label="x"), [cr.Value(2.0, label="x")], ["x", None]], ids=repr)
def test_names_in_a_text_are_texts(wrt):
    with pytest.raises(DtypeError, match=r"^wrt is a name as a text"):
        cr.explain("x**2", wrt, values={"x": 3.0})
    with pytest.raises(DtypeError, match=r"^wrt is a name as a text"):
        cr.degenerate("L = x**2", {"x": 3.0}, wrt=wrt)


@pytest.mark.parametrize("wrt", [3, None, ["x"], cr.Value(2.0)], ids=repr)
def test_a_derivative_is_in_one_name(wrt):
    with pytest.raises(DtypeError, match=r"^wrt is one name, such as 'x'"):
        cr.derivative("x**2", wrt)


def test_a_list_of_no_names_is_refused():
    with pytest.raises(GraphError, match=r"^wrt is an empty list"):
        cr.explain("x**2", [], values={"x": 3.0})
    assert names_of("wrt", None) == []


def test_a_node_of_another_graph_is_refused():
    x = cr.Value(2.0, label="x")
    with pytest.raises(GraphError, match=r"wrt is .*which the problem was not computed from"):
        cr.grade(x**2, "2*x", wrt=cr.Value(2.0))


@pytest.mark.parametrize("x", [True, np.True_, 5.0, "5", None, 0, 18, [5]], ids=repr)
def test_a_count_is_a_whole_number_in_its_range(x):
    for take in (lambda: cr.explain("x**2", values={"x": 3.0}, digits=x), lambda: whole_number("digits", x, 1, 17)):
        with pytest.raises(GraphError, match=r"^digits is a whole number from 1 to 17, not "):
            take()


@pytest.mark.parametrize("x", [True, np.True_, 1.0, "1", None, 0, 3, [1]], ids=repr)
def test_an_order_is_a_whole_number(x):
    with pytest.raises(GraphError, match=r"^order is 1 or 2, not "):
        cr.explain("x**2", values={"x": 3.0}, order=x)


def test_whole_numbers_of_numpy_are_counts():
    said = cr.explain("x**2", values={"x": 3.0}, digits=np.int64(5), top=np.int8(2), order=np.int32(1)).plain()
    assert said == cr.explain("x**2", values={"x": 3.0}, digits=5, top=2, order=1).plain()
    assert str(cr.derivative("x**3", "x", order=np.int64(2))) == "6*x"


@pytest.mark.parametrize("option", ["dialect", "notation", "layout"])
@pytest.mark.parametrize("x", [["chain"], {"chain"}, 1, "nobody"], ids=repr)
def test_a_choice_is_one_of_its_words(option, x):
    with pytest.raises(ChainruleError, match=option):
        cr.explain("x**2", values={"x": 3.0}, **{option: x})


@pytest.mark.parametrize("x", [None, "a", 0, 0.0, float("nan"), float("inf"), 1j, [0.1], True], ids=repr)
def test_a_nudge_is_a_number_other_than_0(x):
    with pytest.raises(GraphError, match=r"^nudge is a number other than 0"):
        cr.explain("x**2", values={"x": 3.0}, nudge=x)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"direction": {"x": None}}, r"direction\['x'\] is None"),
        ({"direction": {"x": [1.0, [2.0]]}}, r"direction\['x'\] is a list of several shapes"),
        ({"direction": {"x": [1.0, 2.0, 3.0]}}, r"a direction in x has its shape, \(2,\), and not \(3,\)"),
        ({"direction": {"y": 1.0}}, "the derivative is in x, and a direction in y moves none of these"),
        ({"direction": {"q": 1.0}}, "the formula has no q"),
        ({"direction": {}}, "direction moves no name"),
        ({"weights": "ab"}, "weights is a text"),
        ({"weights": [1.0, [2.0]]}, "weights is a list of several shapes"),
        ({"weights": [1.0]}, r"one weight for each entry, so their shape is \(2,\), and not \(1,\)"),
        ({"weights": [1j, 2.0]}, "weights is complex"),
        ({"wrt": ["x[0]", "x[1]"]}, "an entry is asked for alone"),
        ({"values": {"x": [1.0, 2.0], "q": 1.0}}, r"the formula has no q: it has x, y\n  values\['q'\]\n {10}\^"),
    ],
    ids=repr,
)
def test_directions_weights_and_names_of_a_vector(asked, said):
    with pytest.raises(ChainruleError, match=said):
        cr.explain("x*y", **{"wrt": "x", "values": {"x": [1.0, 2.0], "y": 3.0}, **asked})


@pytest.mark.parametrize("by", ["a", 1j, {"x": 1.0}, [1.0, [2.0]], [1.0, 2.0, 3.0], 2.0], ids=repr)
def test_a_direction_of_nodes_is_numbers_in_their_shape(by):
    x = cr.Tensor([1.0, 2.0], requires_grad=True, label="x")
    with pytest.raises(ChainruleError, match=r"^a? ?direction"):
        cr.explain((x**2).sum(), x, direction=by)


def test_what_is_missing_is_asked_for_as_it_is_given(typed_error):
    for asked in ({"dialect": "chain"}, {"check": True}, {"direction": {"x": 1.0}}):
        with pytest.raises(ChainruleError, match="x and y have none: add x and y to values"):
            cr.explain("x**2*y", **asked)
    assert "add x and y to values" in cr.explain("x**2*y").plain()
    assert "x and y have none: add x=… y=…" in typed_error("grad", "x**2*y", "--check")
    assert "add y=…" in typed_error("grad", "x**2*y", "x=2", "--detail", "full")


@pytest.fixture
def typed_error(capsys, monkeypatch):
    """What a command prints, and what it complains of."""
    from chainrule.cli.app import main

    def run(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["chainrule", *words])
        with suppress(SystemExit):
            main()
        said = capsys.readouterr()
        return said.out + said.err

    return run


def test_no_error_of_the_library_is_spelled_as_on_a_command_line():
    """Options with two dashes are the command line's: below it an error names the argument of the function."""
    import ast
    from pathlib import Path

    found: list[str] = []
    root = Path(cr.__file__).parent
    for path in root.rglob("*.py"):
        if path.relative_to(root).parts[0] == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Raise) or node.exc is None:
                continue
            texts = [x.value for x in ast.walk(node.exc) if isinstance(x, ast.Constant) and isinstance(x.value, str)]
            found += [f"{path.name}:{node.lineno}" for text in texts if "--" in text.replace("---", "")]
    assert not found

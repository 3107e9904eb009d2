"""`chainrule predict` and `chainrule evaluate`, beside the same numbers computed from the file's weights alone."""

import csv
import io
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

import chainrule as cr
from chainrule.data.columns import Categories, Columns, Numbers
from chainrule.training.judge import judge, written

KINDS = ["iris", "rose", "tulip"]


def forward(path, x):
    """The network in plain NumPy, float64."""
    w = {name: array.astype(float) for name, array in load_file(path).items()}
    out = np.asarray(x, float)
    last = max(int(name.split(".")[1]) for name in w)
    for layer in range(0, last + 1, 2):
        out = out @ w[f"model.{layer}.weight"].T + w[f"model.{layer}.bias"]
        if layer < last:
            out = np.maximum(out, 0)
    return out


def column(columns, name):
    return next(held for held in columns["features"] if held["name"] == name)


def columns_in(path):
    return cr.training.load_checkpoint(path).extra["columns"]


def encoded_flowers(path, rows):
    """Features by hand: standardised numbers, then a 1 for the category."""
    columns = columns_in(path)
    found = []
    for row in rows:
        numbers = [
            (float(row[name]) - column(columns, name)["mean"]) / column(columns, name)["scale"]
            for name in ("petal length", "petal width")
        ]
        found.append([*numbers, *[float(row["colour"] == kind) for kind in column(columns, "colour")["categories"]]])
    return np.array(found)


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def shares(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_probabilities_of_classes(typed, folder):
    rows = read((folder / "flowers.csv").read_text(encoding="utf-8"))
    expected = shares(forward("flowers.safetensors", encoded_flowers("flowers.safetensors", rows)))
    done = typed("predict", "flowers.safetensors", "flowers.csv", "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert (found["model"], found["target"]) == ("flowers.safetensors", "species")
    assert [entry["row"] for entry in found["predictions"]] == list(range(1, 91))
    given = np.array([[entry["probabilities"][kind] for kind in KINDS] for entry in found["predictions"]])
    # The network runs in float32: scores are off by some 1e-6.
    np.testing.assert_allclose(given, expected, atol=1e-5)
    assert [entry["predicted"] for entry in found["predictions"]] == [KINDS[i] for i in expected.argmax(axis=1)]
    lines = read(typed("predict", "flowers.safetensors", "flowers.csv").out)
    of_each = [f"probability of {kind}" for kind in KINDS]
    assert list(lines[0]) == ["row", "predicted", "probability", *of_each, "actual"]
    for kind, name in zip(KINDS, of_each, strict=True):
        np.testing.assert_allclose([float(line[name]) for line in lines], expected[:, KINDS.index(kind)], atol=6e-5)
    assert [line["actual"] for line in lines] == [row["species"] for row in rows]
    np.testing.assert_allclose([float(line["probability"]) for line in lines], expected.max(axis=1), atol=6e-5)


def test_numbers(typed, folder, tmp_path):
    rows = read((folder / "houses.csv").read_text(encoding="utf-8"))
    columns = columns_in("houses.safetensors")
    names = ("rooms", "area")
    x = np.array(
        [[(float(row[n]) - column(columns, n)["mean"]) / column(columns, n)["scale"] for n in names] for row in rows]
    )
    target = columns["target"]
    expected = forward("houses.safetensors", x)[:, 0] * target["scale"] + target["mean"]
    done = typed("predict", "houses.safetensors", "houses.csv", "--out", tmp_path / "said.csv")
    assert (done.code, done.out) == (0, f"wrote {tmp_path / 'said.csv'}\n")
    lines = read((tmp_path / "said.csv").read_text(encoding="utf-8"))
    assert list(lines[0]) == ["row", "predicted", "actual"]
    # Seven digits, of a sum in float32 that may cancel down from the target's spread.
    np.testing.assert_allclose(
        [float(line["predicted"]) for line in lines], expected, atol=1e-5 * target["scale"], rtol=1e-6
    )

    actual = np.array([float(row["price"]) for row in rows])
    judged = json.loads(typed("evaluate", "houses.safetensors", "houses.csv", "--json").out)
    off = actual - expected
    assert judged["rmse"] == pytest.approx(np.sqrt(np.mean(off**2)), rel=1e-4)
    assert judged["mean_absolute_error"] == pytest.approx(np.mean(abs(off)), rel=1e-4)
    assert judged["r2"] == pytest.approx(1 - np.sum(off**2) / np.sum((actual - actual.mean()) ** 2), rel=1e-4)
    assert [row["row"] for row in judged["farthest"]] == (np.argsort(-abs(off))[:5] + 1).tolist()
    assert judged["residuals"]["middle"] == pytest.approx(np.median(off), abs=1e-4 * target["scale"])
    text = typed("evaluate", "houses.safetensors", "houses.csv").out
    assert text.startswith("on 80 rows of houses.csv:\n")
    assert text.splitlines()[2].split()[:3] == ["network", f"{judged['r2']:.3f}", f"{judged['rmse']:.4g}"]
    assert (
        "half of all residuals lie between"
        in typed("evaluate", "houses.safetensors", "houses.csv", "--detail", "full").out
    )


def test_numbers_far_from_0_are_told_apart(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far.csv").write_text("x,y\n" + "".join(f"{i},{10**12 + 3 * i}\n" for i in range(60)), encoding="utf-8")
    words = ("--target", "y", "--layers", "none", "--lr", "0.05")
    assert typed("train", "far.csv", *words).code == 0
    said = [line["predicted"] for line in read(typed("predict", "far.safetensors", "far.csv").out)]
    # The target is a line, and what is written may be off by a millionth of its deviation, 52.
    np.testing.assert_allclose([float(text) - 1e12 for text in said], 3.0 * np.arange(60), atol=1)
    assert len(set(said)) == 60
    table = (
        typed("evaluate", "far.safetensors", "far.csv", "--detail", "full").out.split("residual\n")[1].splitlines()[:5]
    )
    for line in table:
        row, actual, predicted, residual = line.split()
        assert float(actual) == pytest.approx(10**12 + 3 * (int(row) - 1), abs=1e-4)
        assert float(residual) == pytest.approx(float(actual) - float(predicted), abs=1e-3)


@pytest.mark.parametrize(
    ("number", "scale", "text"),
    [
        (1234.56789, 100, "1234.5679"),
        (-0.000012345678, 1e-5, "-1.234568e-05"),
        (1e12 + 3, 50, "1000000000003"),
        (0.1 + 0.2, 1, "0.3"),
        (3.0e300, 1e300, "3e+300"),
        (float("inf"), 1, "inf"),
        (float("nan"), 1, "nan"),
    ],
)
def test_digits_end_where_those_of_the_deviation_do(number, scale, text):
    assert written(number, Columns((), Numbers("y", 0.0, scale))) == text


def test_a_confusion_matrix_counts_what_predict_says(typed, folder):
    truth = [row["species"] for row in read((folder / "flowers.csv").read_text(encoding="utf-8"))]
    said = [line["predicted"] for line in read(typed("predict", "flowers.safetensors", "flowers.csv").out)]
    counts = [[sum(t == a and s == b for t, s in zip(truth, said, strict=True)) for b in KINDS] for a in KINDS]
    done = typed("evaluate", "flowers.safetensors", "flowers.csv", "--json")
    found = json.loads(done.out)
    assert found["confusion"] == counts
    assert found["accuracy"] == pytest.approx(sum(t == s for t, s in zip(truth, said, strict=True)) / 90)
    assert (found["rows"], found["baseline"], found["classes"]) == (90, pytest.approx(1 / 3), KINDS)
    # It is the very file that it was trained on, and that is said.
    assert found["learned_from_this_file"] is True
    assert "it has learned from rows of this very file" in done.err


def test_digits_are_judged_by_those_it_has_not_seen(typed, folder):
    found = json.loads(typed("evaluate", "digits.safetensors", "digits", "--json").out)
    held = cr.training.load_checkpoint("digits.safetensors").extra["about"]["held_out"]
    assert (found["rows"], found["accuracy"]) == (held["rows"], held["accuracy"])
    x, y = cr.data.load_digits()
    lines = read(typed("predict", "digits.safetensors", "digits").out)
    rows = [int(line["row"]) - 1 for line in lines]
    assert rows == sorted(rows)
    said = forward("digits.safetensors", x[rows]).argmax(axis=1)
    assert [int(line["predicted"]) for line in lines] == said.tolist()
    assert found["accuracy"] == pytest.approx(np.mean(said == y[rows]))


def test_pictures_may_stand_in_a_table(typed, folder, tmp_path):
    x, _ = cr.data.load_digits()
    lines = [",".join(f"pixel {i}" for i in range(1, 65)), *[",".join(map(str, row.tolist())) for row in x[:3]]]
    (tmp_path / "pixels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = read(typed("predict", "digits.safetensors", tmp_path / "pixels.csv").out)
    said = forward("digits.safetensors", x[:3]).argmax(axis=1)
    assert [int(line["predicted"]) for line in found] == said.tolist()


def test_many_classes_show_their_mistakes():
    columns = Columns((Numbers("x", 0, 1),), Categories("y", tuple(f"c{i}" for i in range(20))))
    right = np.repeat(np.arange(20), 5)
    said = right.copy()
    said[[0, 1, 5]] = [3, 3, 2]
    table = cr.data.Table(np.eye(20)[said], right, columns, np.arange(100))
    found = judge(lambda x: x, table)
    assert found.table.rows == (("c0", "c3", 2), ("c1", "c2", 1))
    assert found.numbers["accuracy"] == 0.97


def test_rows_with_and_without_a_target_are_predicted(typed, folder, tmp_path):
    (tmp_path / "new.csv").write_text(
        "petal length,petal width,colour,species\n1.5,0.3,blue,iris\n4,1.2,red,\n5,2,red,orchid\n", encoding="utf-8"
    )
    done = typed("predict", "flowers.safetensors", tmp_path / "new.csv")
    assert (done.code, done.err) == (0, "")
    assert [line["row"] for line in read(done.out)] == ["1", "2", "3"]
    done = typed("evaluate", "flowers.safetensors", tmp_path / "new.csv")
    assert done.code == 1
    assert "column 'species', row 3: 'orchid' is none of the classes iris, rose, tulip" in done.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("petal length,petal width,colour\n1,1,green\n", 0, "column 'colour', row 1: unseen in training, as 'green'"),
        ("petal length,petal width,colour\n1,,red\n", 0, "column 'petal width' misses 1 of 1 values (row 1)"),
        ("petal length,petal width,colour\n1,oops,red\n", 1, "column 'petal width', row 1: 'oops' is not a number"),
        ("petal length,petal width,colour\n1,inf,red\n", 1, "column 'petal width', row 1: 'inf' is infinite"),
        ("petal length,petal width,color\n1,1,red\n", 1, "the column 'colour' is missing: did you mean color?"),
        ("petal length,petal width,colour,age\n1,1,red,5\n", 0, "column 'age' was not there in training"),
        ("petal length,petal width,colour\n", 1, "has headers and no rows"),
    ],
)
def test_rows_that_do_not_fit_are_named(typed, folder, tmp_path, content, code, said):
    (tmp_path / "new.csv").write_text(content, encoding="utf-8")
    done = typed("predict", "flowers.safetensors", tmp_path / "new.csv")
    assert done.code == code
    assert said in done.err
    assert done.err.count("\n") == 1
    assert ("row,predicted" in done.out) == (code == 0)


def test_options_of_training_are_named_with_their_command(typed, folder, tmp_path):
    (tmp_path / "new.csv").write_text("petal length,petal width,colour\n1,oops,red\n", encoding="utf-8")
    assert (
        "can be named with chainrule train --missing"
        in typed("predict", "flowers.safetensors", tmp_path / "new.csv").err
    )


def test_exit_codes_for_scripts(typed, folder):
    share = json.loads(typed("evaluate", "digits.safetensors", "digits", "--json").out)["accuracy"]
    assert typed("evaluate", "digits.safetensors", "digits", "--min-accuracy", share).code == 0
    done = typed("evaluate", "digits.safetensors", "digits", "--min-accuracy", "0.9999")
    assert done.code == 1
    assert done.err == f"chainrule: accuracy is {share:.6g}, below --min-accuracy 0.9999\n"
    assert "found least of" in done.out
    assert "confusion matrix" in typed("evaluate", "digits.safetensors", "digits", "--detail", "full").out
    assert typed("evaluate", "houses.safetensors", "houses.csv", "--min-r2", "0.5").code == 0
    assert typed("evaluate", "houses.safetensors", "houses.csv", "--min-r2", "0.99999").code == 1
    for words, said in (
        (("houses.safetensors", "houses.csv", "--min-accuracy", "0.5"), "ask for --min-r2"),
        (("flowers.safetensors", "flowers.csv", "--min-r2", "0.5"), "ask for --min-accuracy"),
        (("flowers.safetensors", "flowers.csv", "--min-accuracy", "2"), "--min-accuracy"),
        (("flowers.safetensors",), "DATA"),
    ):
        done = typed("evaluate", *words)
        assert done.code == 2
        assert said in done.err


def test_what_cannot_be_compared_or_read(typed, folder, tmp_path):
    lines = [line.rpartition(",")[0] for line in (folder / "flowers.csv").read_text(encoding="utf-8").splitlines()]
    (tmp_path / "bare.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for words, said in (
        (
            ("evaluate", "flowers.safetensors", tmp_path / "bare.csv"),
            "add the column 'species', or use chainrule predict",
        ),
        (("predict", "flowers.safetensors", "digits"), "digits has 64 pixels: give data of the same kind"),
        (("predict", "flowers.safetensors", "flower.csv"), "there is no file flower.csv: did you mean flowers.csv?"),
        (("predict", "flower.safetensors", "flowers.csv"), "did you mean flowers.safetensors?"),
        (("predict", "flowers.csv", "flowers.safetensors"), "flowers.csv is no safetensors file"),
        (
            ("predict", "flowers.safetensors", "flowers.csv", "--out", tmp_path / "a/b.csv"),
            "b.csv could not be written",
        ),
    ):
        done = typed(*words)
        assert (done.code, done.out) == (1, "")
        assert said in done.err
        assert done.err.count("\n") == 1
    assert typed("predict", "flowers.safetensors", "flowers.csv", "--json", "--out", "x.csv").code == 2

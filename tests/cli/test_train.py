"""`chainrule train`: what it says, what it saves, that a seed settles it, and what it refuses."""

import errno
import gzip
import json
import os
import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import chainrule as cr
from chainrule.cli.examples import spelled
from chainrule.errors import CheckpointError
from chainrule.training import load_model
from chainrule.training.fit_table import usual_epochs
from chainrule.training.table_net import usual_layers

QUICK = ("--target", "species", "--epochs", "3", "--layers", "4")


@pytest.fixture
def table(trained, tmp_path, monkeypatch):
    """A folder of the test's own, with the table of flowers."""
    (tmp_path / "flowers.csv").write_bytes((trained / "flowers.csv").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path / "flowers.csv"


def test_a_table_becomes_a_network_that_is_judged_and_saved(typed, table):
    done = typed("train", "flowers.csv", "--target", "species", "--layers", "8", "--lr", "0.02")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[:2] == ["target 'species': classification with 3 classes, iris, rose, tulip", "3 columns used"]
    said = r"network 4-8-3, 67 parameters; \d+ epochs, and the weights are of epoch \d+ \(seed 0\)"
    assert re.fullmatch(said, lines[2])
    assert lines[3] == "54 rows of flowers.csv trained it, 18 watched when to stop"
    assert lines[4] == "on 18 held-out rows of flowers.csv, which it had not seen:"
    judged = [line.split() for line in lines[5:9]]
    assert judged[0] == ["accuracy", "balanced", "mean", "F1"]
    # The clusters are three deviations apart.
    assert judged[1][0] == "network"
    assert float(judged[1][1]) >= 0.9
    assert judged[2][:2] == ["linear", "model"]
    assert judged[3] == ["always", "'iris'", "0.333", "0.333", "0.167"]
    counts = [int(count) for count in re.findall(r"(\d) of 6", lines[9])]
    assert re.fullmatch(r"found of each class: iris: \d of 6, rose: \d of 6, tulip: \d of 6", lines[9])
    assert sum(counts) / 18 == pytest.approx(float(judged[1][1]), abs=5e-4)
    assert lines[10:] == ["wrote flowers.safetensors (--detail full tells more)"]
    full = typed("train", "flowers.csv", "--target", "species", "--layers", "8", "--lr", "0.02", "--detail", "full").out
    assert "petal length  quantity" in full
    matrix = [line.split() for line in full.split("what the network says)\n")[1].splitlines()[:4]]
    assert matrix[0] == ["iris", "rose", "tulip", "precision", "recall", "F1"]
    assert [row[i + 1] for i, row in enumerate(matrix[1:])] == [str(count) for count in counts]
    assert "calibration" in full
    assert re.search(r"^epoch \d+/300  loss .* accuracy .* examples/s$", done.err, re.MULTILINE)


def test_the_file_holds_weights_columns_seed_and_versions(folder):
    weights = load_file(folder / "flowers.safetensors")
    assert {name: array.shape for name, array in weights.items()} == {
        "model.0.weight": (8, 4),
        "model.0.bias": (8,),
        "model.2.weight": (3, 8),
        "model.2.bias": (3,),
    }
    with safe_open(folder / "flowers.safetensors", framework="np") as file:
        held = json.loads(file.metadata()["state"])["extra"]
    assert [column["name"] for column in held["columns"]["features"]] == ["petal length", "petal width", "colour"]
    assert held["columns"]["target"] == {"name": "species", "categories": ["iris", "rose", "tulip"]}
    assert held["about"]["seed"] == 0
    assert held["about"]["versions"]["chainrule"] == cr.__version__
    assert held["about"]["versions"]["numpy"] == np.__version__
    assert str(folder) not in json.dumps(held)


def test_numbers_are_predicted_in_their_own_unit(typed, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--target", "price", "--layers", "8", "--lr", "0.02", "--epochs", "100", "--out", "h.safetensors")
    found = json.loads(typed("train", trained / "houses.csv", *words, "--json").out)
    held = found["held_out"]
    assert (found["task"], found["model"], held["rows"], found["rows"]) == ("regression", "h.safetensors", 16, 48)
    assert found["watched"] == 16
    assert held["r2"] > 0.9
    # Both follow from the same sum of squares.
    assert held["r2"] == pytest.approx(1 - (held["rmse"] / held["baseline"]) ** 2, rel=1e-9)
    for row in held["farthest"]:
        assert row["residual"] == pytest.approx(row["actual"] - row["predicted"])
    assert held["farthest"][0]["row"] in range(1, 81)
    text = typed("train", trained / "houses.csv", *words).out
    network = next(line.split() for line in text.splitlines() if line.startswith("network  "))
    assert network[1:3] == [f"{held['r2']:.3f}", f"{held['rmse']:.4g}"]
    assert f"farthest off is row {held['farthest'][0]['row']}: " in text
    text = typed("train", trained / "houses.csv", *words, "--detail", "full").out
    assert "residuals (actual - predicted), the largest first" in text


def test_the_same_seed_gives_the_same_file(typed, table):
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        done = typed("train", "flowers.csv", *QUICK, "--seed", seed, "--out", f"{name}.safetensors", "--json")
        assert (done.code, done.err) == (0, "")
    a, b, c = ((table.parent / f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b != c


def test_vectors_of_texts_go_through_every_command(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [f"street {rng.integers(80)},{rng.normal():.3f}" for _ in range(400)]
    rows = [f"{row},{int(row.split(',')[0][7:]) % 7 + float(row.split(',')[1]):.2f}" for row in rows]
    (tmp_path / "s.csv").write_text("street,size,rent\n" + "\n".join(rows) + "\n", encoding="utf-8")
    done = typed("train", "s.csv", "--target", "rent", "--epochs", "3")
    assert "hashed" not in done.err
    assert "--hash would share 64 among them, --embed would learn a vector for each" in done.err
    assert typed("train", "s.csv", "--target", "rent", "--embed", "--epochs", "20", "--lr", "0.02").code == 0
    vectors = load_file("s.safetensors")["model.0.vectors.0.weight"]
    assert vectors.shape[0] == 1 + len(cr.load_model("s.safetensors").columns.features[0].texts)
    assert vectors[1:].any(axis=1).sum() > 70
    said = [float(line.split(",")[1]) for line in typed("predict", "s.safetensors", "s.csv").out.splitlines()[1:]]
    np.testing.assert_allclose(said, cr.load_model("s.safetensors").predict("s.csv"), rtol=1e-4, atol=1e-4)
    module: dict[str, object] = {}
    exec(typed("compile", "s.safetensors").out, module)
    model = cr.load_model("s.safetensors")
    row = model.read("s.csv").x[2:3]
    np.testing.assert_allclose(module["network"](row), model.net(row).data, rtol=1e-5)
    found = json.loads(typed("evaluate", "s.safetensors", "s.csv", "--importance", "--json").out)
    assert [row["column"] for row in found["importance"]] == ["street", "size"]
    inputs = json.loads(typed("explain", "s.safetensors", "--example", "s.csv:3", "--inputs", "--json").out)["inputs"]
    assert {row["column"] for row in inputs} == {"street", "size"}
    place = cr.load_model("s.safetensors").read("s.csv").x[2, 0]
    done = typed("explain", "s.safetensors", "--example", "s.csv:3", "--weight", f"0.vectors.0.weight[{int(place)},1]")
    assert done.code == 0, done.err
    done = typed("train", "s.csv", "--target", "rent", "--embed", "--hash")
    assert (done.code, "--hash" in done.err, "--embed" in done.err, "Traceback" in done.err) == (1, True, True, False)


def test_digits_without_a_file(typed, tmp_path):
    found = json.loads(typed("train", "digits", "--epochs", "6", "--json", "--out", tmp_path / "d.safetensors").out)
    assert found["layers"] == [64, 32, 10]
    assert found["parameters"] == 2410
    assert found["held_out"]["rows"] == 359
    assert found["held_out"]["accuracy"] > 0.85


def write_idx(path, array):
    content = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_mnist_from_a_folder_or_an_archive(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = (np.arange(90) % 3).astype(np.uint8)
    images = (rng.uniform(0, 60, (90, 4, 4)) + 60 * labels[:, None, None]).astype(np.uint8)
    parts = {"x_train": images[:60], "y_train": labels[:60], "x_test": images[60:], "y_test": labels[60:]}
    np.savez("tiny.npz", **parts)
    (tmp_path / "idx").mkdir()
    for name, file in (
        ("x_train", "train-images-idx3-ubyte"),
        ("y_train", "train-labels-idx1-ubyte.gz"),
        ("x_test", "t10k-images-idx3-ubyte.gz"),
        ("y_test", "t10k-labels-idx1-ubyte"),
    ):
        write_idx(tmp_path / "idx" / file, parts[name])
    found = [
        json.loads(typed("train", "mnist", path, "--epochs", "30", "--lr", "0.02", "--json").out)
        for path in ("tiny.npz", "idx")
    ]
    assert found[0] == found[1]
    assert found[0]["model"] == "mnist.safetensors"
    assert found[0]["layers"] == [16, 16, 3]
    assert found[0]["held_out"]["rows"] == 30
    # The mean of 16 pixels tells the classes apart by six deviations.
    assert found[0]["held_out"]["accuracy"] > 0.9
    judged = json.loads(typed("evaluate", "mnist.safetensors", "idx", "--json").out)
    assert judged["confusion"] == found[0]["held_out"]["confusion"]
    done = typed("evaluate", "mnist.safetensors", "digits")
    assert done.code == 1
    assert "from 16 features" in done.err
    assert "digits has 64 pixels" in done.err
    assert "Traceback" not in done.err


def test_pictures_of_one_class_are_refused(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images, labels = np.zeros((9, 4, 4), np.uint8), np.zeros(9, np.uint8)
    np.savez("tiny.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    done = typed("train", "mnist", "tiny.npz")
    said = "chainrule: tiny.npz: every picture to train on has the label 0, so there is nothing to learn\n"
    assert (done.code, done.out, done.err) == (1, "", said)


def test_training_stops_when_nothing_gets_better(typed, table):
    found = json.loads(
        typed("train", "flowers.csv", "--target", "species", "--lr", "1e-12", "--layers", "none", "--json").out
    )
    # So small a step changes nothing in float32: only the order of sums moves the loss.
    assert found["layers"] == [4, 3]
    assert found["epochs"] < 300
    assert found["stopped"].startswith("val_loss did not get better in 20 epochs")


def test_defaults_grow_with_the_data():
    assert [usual_layers(n) for n in (100, 2_000, 20_000, 60_000)] == [(16,), (32,), (64, 32), (100,)]
    assert [usual_epochs(n, b) for n, b in ((100, 32), (2_000, 32), (60_000, 128))] == [300, 158, 21]


# What is refused


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        ("a,b,y\n1,2,x\n2,inf,z\n3,4,x\n4,4,z\n", (), "column 'b', row 2: 'inf' is infinite"),
        ("a,b,y\n1,2,x\n2,3,x\n3,4,x\n", (), "the target 'y' is 'x' in every row"),
        ("a,b,y\n1,2,x\n2,3,z\n3,4\n", (), "row 3 has 2 fields, and there are 3 columns"),
        ("a,b,y\n1,,3.5\n1,,4.5\n1,,7\n", (), "column 'a' is left out: it is constant"),
        ("a,b,y\n1,2,3.5\n2,3,abc\n3,5,7\n", ("--task", "regression"), "column 'y', row 2: 'abc' is not a number"),
        (
            "a,y\n" + "".join(f"{i},{i / 2}\n" for i in range(9)) + "9,abc\n",
            (),
            "column 'y', row 10: 'abc' is not a number, as most of its column seem to be (--task classification takes",
        ),
        ("1,2\n3,4\n", (), "begins with numbers, 1, 2, not with headers: write them in a first line"),
        ("", (), "table.csv is empty"),
        ("a,y\n1,1.5\n2,2.5\n", ("--validation", "0.1"), "2 rows, too few to hold a share of 0.1 back"),
        ("a,z\n1,x\n2,z\n", (), "a column 'y' that is not there"),
        ("a,y\n1,1.5\n2,2.5\n", (), "table.csv, the rows that are not held back: the target 'y' is"),
        (
            "a,y\n1,1.5\n2,2.5\n3,3.5\n4,5.5\n",
            ("--layers", "100000,100000"),
            "100,000,000 are trained here: give fewer or smaller layers",
        ),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_one_line(typed, tmp_path, monkeypatch, content, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(content, encoding="utf-8")
    if "--validation" not in words:
        words = (*words, "--validation", "0.5")
    done = typed("train", "table.csv", "--target", "y", *words)
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert done.err.startswith("chainrule: ")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "table.safetensors").exists()


def test_what_is_mended_is_said_on_a_line(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i},{i % 7},same,{'ab'[i % 2]}" for i in range(20)]
    rows[4] = "4,oops,same,a"
    (tmp_path / "t.csv").write_text("n,m,c,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    words = ("train", "t.csv", "--target", "y", "--epochs", "1")
    done = typed(*words, "--missing", "oops", "--ignore", "n", "--json")
    assert done.code == 0
    assert done.err.splitlines() == [
        "chainrule: note: t.csv: column 'c' is left out: it is constant, 'same' in every row",
        "chainrule: note: t.csv: column 'm' misses 1 of 20 values (row 5): the mean, 2.78947, stands in",
    ]
    assert json.loads(done.out)["layers"][0] == 1
    assert json.loads(typed(*words, "--missing", "oops", "--categorical", "m", "--json").out)["layers"][0] == 6
    (tmp_path / "s.csv").write_text("a;b|y\n" + "".join(f"{i};2|{'xz'[i % 2]}\n" for i in range(10)), encoding="utf-8")
    assert typed("train", "s.csv", "--target", "y", "--separator", "|", "--epochs", "1").code == 0
    # The sign is kept with the network.
    assert typed("predict", "s.safetensors", "s.csv").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["flowers.csv"], "flowers.csv has petal length, petal width, colour, species"),
        (["mnist"], "chainrule train mnist PATH"),
        (["digits", "--target", "x"], "digits has no columns to choose from"),
        (["flowers.csv", "elsewhere", "--target", "species"], "only mnist takes a path"),
        (["flowers.csv", *QUICK, "--layers", "3,x"], "'3,x' are no widths"),
        (["flowers.csv", *QUICK, "--layers", "0"], "'0' are no widths"),
        (["flowers.csv", *QUICK, "--lr", "-1"], "-1 is no rate"),
        (["flowers.csv", *QUICK, "--lr", "nan"], "nan is no rate"),
        (["flowers.csv", *QUICK, "--validation", "1.5"], "1.5 is no share"),
        (["flowers.csv", *QUICK, "--separator", "ab"], "'ab' is not a single sign"),
        (["flowers.csv", *QUICK, "--task", "clasification"], "did you mean classification?"),
        (["flowers.csv", *QUICK, "--epochs", "0"], "--epochs"),
        (["flowers.csv", *QUICK, "--out", "nowhere/a.safetensors"], "there is no folder nowhere"),
        (["flowers.csv", *QUICK, "--out", "."], "is a folder"),
        (["flowers.csv", *QUICK, "--out", "notes.txt"], "holds no network that could be replaced"),
    ],
)
def test_wrong_use(typed, table, words, said):
    (table.parent / "notes.txt").write_text("no network", encoding="utf-8")
    before = table.read_bytes()
    done = typed("train", *words)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())
    assert table.read_bytes() == before


def test_a_run_that_diverges_saves_nothing(typed, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = typed("train", trained / "houses.csv", "--target", "price", "--lr", "1e12", "--epochs", "5")
    assert done.code == 1
    line = done.err.splitlines()[-1]
    assert line.startswith("chainrule: the loss became ")
    assert line.endswith("take a smaller rate (--lr was 1e+12); nothing was saved")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_not_saved(typed, table, monkeypatch):
    """`fit` looks for them too; here it has not, and what is written is looked at once more."""
    usual = cr.training.fit

    def astray(net, *data, **settings):
        history = usual(net, *data, **settings)
        next(iter(net.parameters())).data[0] = np.nan
        return history

    # The module, which its function hides.
    monkeypatch.setattr(sys.modules["chainrule.training.fit_table"], "fit", astray)
    done = typed("train", "flowers.csv", *QUICK, "--lr", "0.02")
    assert done.code == 1
    said = (
        "chainrule: the training diverged: weights became infinite or nan: try a smaller --lr (--lr was 0.02); nothing"
    )
    assert done.err.splitlines()[-1].startswith(said)
    assert [path.name for path in table.parent.iterdir()] == ["flowers.csv"]


def test_a_full_disk_leaves_the_old_network_whole(typed, table, monkeypatch):
    assert typed("train", "flowers.csv", *QUICK).code == 0
    before = (table.parent / "flowers.safetensors").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("chainrule.training.checkpoint.os.fsync", full)
    done = typed("train", "flowers.csv", *QUICK, "--seed", "1")
    assert done.code == 1
    assert "No space left on device; the file that was there is as it was" in done.err.splitlines()[-1]
    assert (table.parent / "flowers.safetensors").read_bytes() == before
    assert sorted(path.name for path in table.parent.iterdir()) == ["flowers.csv", "flowers.safetensors"]


def test_a_read_only_folder_is_found_before_the_training(typed, table, monkeypatch):
    monkeypatch.setattr("chainrule.cli.network.os.access", lambda path, mode: False)
    done = typed("train", "flowers.csv", *QUICK)
    assert (done.code, done.out) == (1, "")
    assert re.fullmatch(r"chainrule: flowers.safetensors could not be written: the folder .* is read-only\n", done.err)


@pytest.mark.parametrize("method", ["open", "exists", "is_dir"])
def test_what_the_system_forbids_is_one_line(typed, table, monkeypatch, method):
    def refused(path, *settings, **more):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    assert typed("train", "flowers.csv", *QUICK).code == 0
    monkeypatch.setattr(Path, method, refused)
    for words in (
        ("train", "flowers.csv", *QUICK),
        ("train", "mnist", "flowers.csv", "--out", "a.safetensors"),
        ("predict", "flowers.safetensors", "flowers.csv"),
    ):
        done = typed(*words)
        assert done.code in (1, 2)
        assert "Permission denied" in " ".join(done.err.split())
        assert "Traceback" not in done.err


def test_a_file_that_is_no_network_is_not_replaced(typed, table):
    (table.parent / "empty.safetensors").write_bytes(b"")
    done = typed("train", "flowers.csv", *QUICK, "--out", "empty.safetensors")
    assert done.code == 2
    assert "holds no network that could be replaced (empty.safetensors is empty)" in " ".join(done.err.split())


def test_a_network_that_is_damaged_or_foreign(typed, folder, tmp_path):
    content = (folder / "flowers.safetensors").read_bytes()
    flipped = bytearray(content)
    flipped[-5] ^= 16
    bad = tmp_path / "bad.safetensors"
    for damaged in (b"", content[:100], content[:-7], bytes(flipped), b"PK\x03\x04 and so on"):
        bad.write_bytes(damaged)
        done = typed("predict", bad, "flowers.csv")
        assert (done.code, done.out) == (1, "")
        assert done.err.count("\n") == 1
        assert "bad.safetensors" in done.err
    cr.training.save_checkpoint(bad, model=cr.nn.Linear(2, 1))
    with pytest.raises(CheckpointError, match="holds no network that chainrule train has saved"):
        load_model(bad)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "is of version 2, and this chainrule reads version 1"),
        ({"sizes": [4, 10**9, 3]}, "its weights are not those of a network"),
        ({"sizes": "4-8-3"}, "its weights are not those of a network"),
        ({"sizes": None}, "its weights are not those of a network"),
        ({"columns": {"version": 1}}, "its columns cannot be read"),
        ({"about": 3}, "its columns cannot be read"),
    ],
)
def test_a_network_file_that_does_not_agree_with_itself(folder, tmp_path, change, said):
    with safe_open(folder / "flowers.safetensors", framework="np") as file:
        held = json.loads(file.metadata()["state"])["extra"]
    net = load_model(folder / "flowers.safetensors").net
    cr.training.save_checkpoint(tmp_path / "odd.safetensors", model=net, extra=held)
    assert load_model(tmp_path / "odd.safetensors").sizes == (4, 8, 3)
    cr.training.save_checkpoint(tmp_path / "odd.safetensors", model=net, extra={**held, **change})
    with pytest.raises(CheckpointError, match=said):
        load_model(tmp_path / "odd.safetensors")


def test_messages_name_options_as_they_are_typed():
    assert spelled("leave it out with ignore=") == "leave it out with --ignore"
    assert spelled("max_categories=60 would do", "chainrule train") == "chainrule train --max-categories 60 would do"


@pytest.mark.parametrize(("module", "name"), [("cli.examples", "read_table"), ("training.fit_table", "fit_linear")])
def test_ctrl_c_outside_of_the_training_ends_in_a_line_and_saves_nothing(typed, table, monkeypatch, module, name):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module(f"chainrule.{module}"), name, pressed)
    done = typed("train", "flowers.csv", *QUICK, "--out", "kept.safetensors")
    assert done.code == 130
    said = [line for line in done.err.splitlines() if line.startswith("chainrule: ")]
    assert said == ["chainrule: stopped by Ctrl-C outside of the training; nothing was saved"]
    assert not Path("kept.safetensors").exists()

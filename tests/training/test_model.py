"""A trained network as a Python user has it: saved, loaded, used on files, frames and dicts; vectors for texts."""

import csv
import io
import warnings

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import chainrule as cr
from chainrule.data import read_table
from chainrule.errors import ChainruleError, CheckpointError, DataError, DataWarning
from chainrule.training import Recipe, fit_table, load_model, save_model
from chainrule.training.judge import outputs_of, probabilities_of
from chainrule.training.table_net import for_linear

STREETS = 120


def write_streets(path, rows=1500):
    """Rents that hang on the street, of which there are very many, and on the size."""
    rng = np.random.default_rng(0)
    worth = 4 * rng.normal(size=STREETS)
    lines = ["size,street,side,rent"]
    for _ in range(rows):
        street, size = int(rng.integers(STREETS)), rng.normal()
        name = "" if rng.random() < 0.07 else f"street {street}"
        lines.append(f"{size:.3f},{name},{rng.choice(['n', 's'])},{worth[street] * bool(name) + size:.2f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets")
    path = write_streets(folder / "streets.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        fitted = fit_table(read_table(path, target="rent", embedded=True), Recipe(rate=0.02, epochs=30))
        save_model(folder / "streets.safetensors", fitted, source={"name": "streets.csv"})
    return folder, fitted


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    rng = np.random.default_rng(0)
    rows = [f"{kg:.2f},{'cat' if kg < 9 else 'dog'},nr {i}" for i, kg in enumerate(rng.uniform(1, 20, 200))]
    (folder / "pets.csv").write_text("kilograms,kind,name\n" + "\n".join(rows) + "\n", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        fitted = fit_table(read_table(folder / "pets.csv", target="kind"), Recipe(rate=0.02))
    save_model(folder / "pets.safetensors", fitted)
    return folder, fitted


def by_hand(path, columns, rows):
    """The network in plain NumPy, float64, a text's vector in the place of its name."""
    w = {name: array.astype(float) for name, array in load_file(path).items()}
    size, street, side = columns.features
    found = []
    for row in rows:
        vectors = w["model.0.vectors.0.weight"]
        place = street.texts.index(row["street"]) + 1 if row["street"] in street.texts else 0
        numbers = [(float(row["size"]) - size.mean) / size.scale, float(row["street"] == "")]
        found.append([*numbers, *[float(row["side"] == one) for one in side.categories], *vectors[place]])
    hidden = np.maximum(np.array(found) @ w["model.1.weight"].T + w["model.1.bias"], 0)
    return (hidden @ w["model.3.weight"].T + w["model.3.bias"])[:, 0] * columns.target.scale + columns.target.mean


def test_a_vector_is_learned_for_each_text(streets):
    folder, fitted = streets
    _, street, _ = fitted.columns.features
    assert (type(street).__name__, len(street.texts), street.flag) == ("Embedded", STREETS, True)
    # Nearly all of it hangs on the street.
    assert fitted.judgement.numbers["r2"] > 0.9
    assert fitted.columns.names == ("size", "street", "street missing", "side=n", "side=s")
    assert fitted.sizes[0] == 4 + street.width
    counts = [row.split(",")[1] for row in (folder / "streets.csv").read_text().splitlines()[1:]]
    assert sum(counts.count(text) for text in street.texts[:10]) >= sum(
        counts.count(text) for text in street.texts[-10:]
    )
    assert "a vector of" in repr(fitted.columns)


def test_what_is_saved_predicts_by_its_vectors(streets):
    folder, fitted = streets
    rows = list(csv.DictReader(io.StringIO((folder / "streets.csv").read_text())))[:50]
    rows += [{"size": "1", "street": "nowhere", "side": "n"}, {"size": "0.5", "street": "", "side": "x"}]
    model = load_model(folder / "streets.safetensors")
    given = {name: [row[name] for row in rows] for name in ("size", "street", "side")}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        said = model.predict(given)
    assert any("column 'street', row 51: unseen in training, as 'nowhere'" in str(one.message) for one in told)
    np.testing.assert_allclose(said, by_hand(folder / "streets.safetensors", model.columns, rows), rtol=1e-4, atol=1e-4)
    assert not load_file(folder / "streets.safetensors")["model.0.vectors.0.weight"][0].any()
    assert cr.data.Columns.from_dict(model.columns.to_dict()) == fitted.columns


def test_a_text_that_no_row_taught_moves_nothing(streets):
    """Vectors start as zeros: what was not learned is not drawn either."""
    _, fitted = streets
    net = cr.training.table_net.network_of(fitted.sizes, fitted.columns, rng=3)
    x = np.zeros((3, 5), np.float32)
    x[:, 1] = [0, 1, STREETS]
    assert len(np.unique(outputs_of(net, x))) == 1


def test_gradient_times_input_of_a_text_is_that_of_its_vector(streets):
    folder, _ = streets
    model = load_model(folder / "streets.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        rows = model.read(folder / "streets.csv", dtype=np.float64)
        place = next(i for i in range(len(rows)) if rows.x[i, 1] > 0)
        effects = {row[0]: row[3] for row in model.effects(folder / "streets.csv", int(rows.rows[place])).rows}
    net = model.exact()
    inputs, *layers = list(net)
    vectors = inputs.vectors[0].weight.data
    at = inputs(rows.x[place : place + 1]).data

    def score(vector):
        out = cr.concatenate([cr.Tensor(at[:, : -len(vector)]), cr.reshape(vector, (1, -1))], axis=1)
        for layer in layers:
            out = layer(out)
        return cr.sum(out) * model.columns.target.scale

    vector = vectors[int(rows.x[place, 1])]
    assert effects["street"] == pytest.approx(float(cr.grad(score)(vector) @ vector), rel=1e-9)


def test_a_linear_model_sees_frequent_texts_one_by_one(streets):
    _, fitted = streets
    x = np.zeros((4, 5), np.float32)
    x[:, 1] = [0, 1, 64, 100]
    shown = for_linear(x, fitted.columns)
    assert shown.shape == (4, 4 + 65)
    assert [row.nonzero()[0].tolist() for row in shown[:, 4:]] == [[], [0], [63], [64]]
    assert 0.2 < fitted.judgement.details["baselines"]["linear"]["r2"] < fitted.judgement.numbers["r2"]


def test_vectors_or_shared_features_and_not_both(streets):
    folder, _ = streets
    with pytest.raises(DataError, match="give one of both"):
        read_table(folder / "streets.csv", target="rent", embedded=True, hashed=8)


def test_what_is_loaded_says_what_was_saved(pets):
    folder, fitted = pets
    model = cr.load_model(folder / "pets.safetensors")
    table = read_table(folder / "pets.csv", columns=model.columns)
    outputs = outputs_of(fitted.net, table.x)
    said = np.array(["cat", "dog"])[outputs.argmax(axis=1)]
    rows = list(csv.DictReader(io.StringIO((folder / "pets.csv").read_text())))
    kilograms = [float(row["kilograms"]) for row in rows]
    for data in (
        folder / "pets.csv",
        str(folder / "pets.csv"),
        table,
        {"kilograms": kilograms},
        pl.DataFrame({"kilograms": kilograms, "more": ["x"] * 200}).drop("more"),
        {"kilograms": [row["kilograms"] for row in rows]},
    ):
        assert model.predict(data).tolist() == said.tolist()
        assert np.array_equal(model.predict_proba(data), probabilities_of(outputs))
    assert (
        model.judge(folder / "pets.csv").numbers
        == model.judge({"kilograms": kilograms, "kind": [r["kind"] for r in rows]}).numbers
    )
    assert model.about["held_out"]["accuracy"] == fitted.judgement.numbers["accuracy"]
    assert np.array_equal(model.linear.weight, fitted.linear.weight)
    assert model.importance(folder / "pets.csv")["column"] == ["kilograms"]


def test_predictions_carry_what_is_passed_and_what_is_so(pets):
    folder, _ = pets
    model = load_model(folder / "pets.safetensors")
    found = model.predictions(folder / "pets.csv", ["name"])
    lines = list(csv.DictReader(io.StringIO(found.csv())))
    assert [line["name"] for line in lines[:3]] == ["nr 0", "nr 1", "nr 2"]
    assert list(lines[0]) == [
        "row",
        "name",
        "predicted",
        "probability",
        "probability of cat",
        "probability of dog",
        "actual",
    ]
    assert [entry["predicted"] for entry in found.plain()] == model.predict(folder / "pets.csv").tolist()
    bare = model.predictions({"kilograms": [3.0]})
    assert "actual" not in bare.plain()[0]
    assert len(bare) == 1
    with pytest.raises(DataError, match="no column 'nam'"):
        model.predictions(folder / "pets.csv", ["nam"])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"weight": [1.0]}, "the column 'kilograms' is missing"),
        ({"kilograms": ["heavy"]}, "'heavy' is not a number"),
        ({"kilograms": []}, "there are no rows"),
        ({"kilograms": [1.0], "more": [1, 2]}, "takes a frame, or lists of one length by name"),
        ("nowhere.csv", "there is no file nowhere.csv"),
    ],
)
def test_what_is_no_table_for_it_is_refused(pets, data, said):
    folder, _ = pets
    model = load_model(folder / "pets.safetensors")
    with pytest.raises(ChainruleError, match=said):
        model.predict(data)
    with pytest.raises(DataError, match="no targets to compare with"):
        model.judge({"kilograms": [1.0]})
    with pytest.raises(DataError, match="there is no row 9"):
        model.effects({"kilograms": [1.0]}, 9)


def test_a_table_of_other_features_is_refused(pets, streets):
    model = load_model(pets[0] / "pets.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        other = read_table(streets[0] / "streets.csv", target="rent")
    with pytest.raises(DataError, match="other features than the model"):
        model.predict(other)
    with pytest.raises(DataError, match="is a number, and has no classes"):
        load_model(streets[0] / "streets.safetensors").predict_proba({"size": [1], "street": ["x"], "side": ["n"]})
    cr.training.save_checkpoint(pets[0] / "other.safetensors", model=cr.nn.Linear(1, 1))
    with pytest.raises(CheckpointError, match="holds no network that chainrule train has saved"):
        load_model(pets[0] / "other.safetensors")

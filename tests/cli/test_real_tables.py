"""Ten small tables, one for each sort of trouble, through `chainrule train`, `predict` and `evaluate`."""

import csv
import io
import json

import numpy as np
import pytest


def days(i):
    return f"2024-{i % 12 + 1:02d}-{i % 28 + 1:02d}"


def table(heads, row, count=120, seed=0):
    rng = np.random.default_rng(seed)
    return "\n".join([heads, *[",".join(map(str, row(i, rng))) for i in range(count)]]) + "\n"


def points(i, rng):
    a = rng.normal()
    return f"{a:.3f}", f"{2 * a + rng.normal(0, 0.2):.2f}"


TABLES = {
    # A text of its own in many rows: whatever stands in rows held back alone is unseen.
    "unseen": table("a,c,y", lambda i, g: (a := round(g.normal(), 3), f"own{i}" if i % 4 == 0 else "pq"[i % 2], 2 * a)),
    "counter": table("id,a,y", lambda i, g: (i + 1, *points(i, g))),
    "codes": table("zip,a,y", lambda i, g: (f"{1000 + i % 7:05d}", *points(i, g))),
    "dates": table("when,a,y", lambda i, g: (days(i), *points(i, g))),
    "rare": table("a,b,y", lambda i, g: (g.normal(1.2 * (i % 16 == 0)), g.normal(), ("no", "yes")[i % 16 == 0]), 480),
    "noise": table("a,b,y", lambda i, g: tuple(np.round(g.normal(size=3), 3))),
    "gaps": table("a,b,y", lambda i, g: ("" if i % 6 == 0 else g.integers(9), *points(i, g))),
    "groups": table("team,a,y", lambda i, g: (f"t{i % 8}", *points(i, g))),
    "texts": table("ticket,a,y", lambda i, g: (f"T{i // 2}", *points(i, g))),
    "constant": table("k,a,y", lambda i, g: (7, *points(i, g))),
}


@pytest.fixture
def learn(typed, tmp_path, monkeypatch):
    """Trains on a table, quickly, and gives what JSON says."""
    monkeypatch.chdir(tmp_path)
    for name, text in TABLES.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")

    def train(name, *words, code=0):
        done = typed("train", f"{name}.csv", "--target", "y", "--epochs", "30", "--lr", "0.02", *words, "--json")
        assert done.code == code, done.err
        return json.loads(done.out), done.err

    return train


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_learned_from_and_judged(learn, typed, name):
    found, _ = learn(name)
    for key in ("better_than_baseline", "baselines", "warning", "rows"):
        assert key in found["held_out"]
    assert set(found["held_out"]["baselines"]) == {"constant", "linear"}
    assert found["rows"] + found["watched"] + found["held_out"]["rows"] == TABLES[name].count("\n") - 1
    assert {one["column"] for one in found["columns"]} == set(TABLES[name].partition("\n")[0].split(","))
    text = typed("train", f"{name}.csv", "--target", "y", "--epochs", "30", "--lr", "0.02").out
    # All of it fits a screen.
    assert len(text.splitlines()) <= 24
    assert found["held_out"]["warning"] == "" or text.startswith(f"note first: {found['held_out']['warning']}\n")
    lines = list(csv.DictReader(io.StringIO(typed("predict", f"{name}.safetensors", f"{name}.csv").out)))
    assert len(lines) == TABLES[name].count("\n") - 1


def kinds(found):
    return {one["column"]: (one["kind"], one["used"]) for one in found["columns"]}


@pytest.mark.parametrize(
    ("name", "column", "kind", "option"),
    [
        ("counter", "id", "row counter", ("--keep", "id")),
        ("dates", "when", "date", ("--dates",)),
        ("texts", "ticket", "text", ("--hash",)),
        ("texts", "ticket", "text", ("--keep", "ticket")),
    ],
)
def test_what_is_left_out_is_said_and_used_on_request(learn, name, column, kind, option):
    found, err = learn(name)
    assert kinds(found)[column] == (kind, False)
    assert f"column '{column}' is left out" in err
    assert option[0] in err or option[0] == "--keep"
    assert kinds(learn(name, *option)[0])[column] == (kind, True)


def test_codes_are_no_quantity(learn):
    assert kinds(learn("codes")[0])["zip"] == ("code", True)


def test_a_category_of_rows_held_back_is_treated_as_any_unseen_one(learn, typed, tmp_path):
    _, err = learn("unseen")
    assert "unseen in training, as 'own" in err
    lines = list(csv.DictReader(io.StringIO(TABLES["unseen"])))
    said = [float(row["predicted"]) for row in predicted(typed, "unseen", lines)]
    never = [float(row["predicted"]) for row in predicted(typed, "unseen", [{**line, "c": "never"} for line in lines])]
    # Texts of rows that trained are known; those of the others predict as any that was never there.
    own = [i for i, line in enumerate(lines) if line["c"].startswith("own")]
    unseen = [i for i in own if said[i] == never[i]]
    assert 5 <= len(unseen) < len(own)


def predicted(typed, model, lines):
    with open("new.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)
    return list(csv.DictReader(io.StringIO(typed("predict", f"{model}.safetensors", "new.csv").out)))


def test_rare_classes_are_noticed_and_can_weigh_the_same(learn, typed):
    plain, weighed = learn("rare")[0], learn("rare", "--class-weight", "balanced")[0]
    assert plain["held_out"]["imbalanced"] == ["yes"]
    recall = [found["held_out"]["per_class"][1]["recall"] for found in (plain, weighed)]
    assert recall[1] > recall[0]
    by_hand = learn("rare", "--threshold", "0.1")[0]
    assert by_hand["held_out"]["threshold"] == 0.1
    # What is said at evaluation and by predict follows the threshold that was saved.
    lines = list(csv.DictReader(io.StringIO(typed("predict", "rare.safetensors", "rare.csv").out)))
    assert all((float(line["probability of yes"]) >= 0.1) == (line["predicted"] == "yes") for line in lines)
    assert 0 < learn("rare", "--threshold", "auto")[0]["held_out"]["threshold"] < 1


def test_folds_and_seeds_give_a_spread(learn):
    found, _ = learn("noise", "--folds", "3", "--seeds", "2")
    assert set(found["splits"]) == {"network", "linear", "constant"}
    assert found["splits"]["network"]["r2"]["spread"] > 0


@pytest.mark.parametrize("by", ["time", "time:when"])
def test_the_last_rows_judge(learn, by):
    assert learn("dates", "--split", by)[0]["held_out"]["rows"] == pytest.approx(24, abs=6)


def test_groups_stay_together(learn):
    found, err = learn("groups", "--split", "group:team")
    assert kinds(found)["team"][1] is False
    assert "rows are held back by it" in err


def test_all_rows_train_in_the_end_on_request(learn):
    assert learn("gaps", "--refit")[0]["refitted"] == 120


def test_which_columns_mattered(learn, typed):
    learn("counter", "--keep", "id")
    found = json.loads(typed("evaluate", "counter.safetensors", "counter.csv", "--importance", "--json").out)
    assert found["importance"][0]["column"] == "a"
    effects = json.loads(
        typed("explain", "counter.safetensors", "--example", "counter.csv:3", "--inputs", "--json").out
    )
    assert {one["column"] for one in effects["inputs"]} == {"id", "a"}
    assert next(one["value"] for one in effects["inputs"] if one["column"] == "id") == "3"


def test_ids_are_passed_through_and_what_is_so_stays_as_it_is_written(learn, typed):
    learn("counter")
    lines = list(csv.DictReader(io.StringIO(typed("predict", "counter.safetensors", "counter.csv", "--id", "id").out)))
    rows = list(csv.DictReader(io.StringIO(TABLES["counter"])))
    assert [line["id"] for line in lines] == [row["id"] for row in rows]
    assert [line["actual"] for line in lines] == [row["y"] for row in rows]
    assert typed("predict", "counter.safetensors", "counter.csv", "--id", "nam").code == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--threshold", "2"), 2, "is no probability"),
        (("--threshold", "0.5"), 1, "a threshold parts two classes"),
        (("--dropout", "1"), 2, "is no share"),
        (("--weight-decay", "-1"), 2, "is no decay"),
        (("--class-weight", "balanse"), 2, "balanced"),
        (("--class-weight", "balanced"), 1, "balanced weights are of classes"),
        (("--split", "space"), 1, "split by time, time:COLUMN or group:COLUMN"),
        (("--keep", "idd"), 1, "did you mean id?"),
        (("--log-target",), 1, "has no logarithm"),
    ],
)
def test_what_cannot_be_done_is_one_line(learn, typed, words, code, said):
    done = typed("train", "counter.csv", "--target", "y", "--epochs", "2", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("refit", [True, False])
def test_what_was_held_back_of_the_digits_is_not_called_so_once_all_were_learned(typed, tmp_path, monkeypatch, refit):
    monkeypatch.chdir(tmp_path)
    typed("train", "digits", "--epochs", "1", "--layers", "8", *(["--refit"] if refit else []))
    done = typed("evaluate", "digits.safetensors", "digits")
    assert ("on the 1,797 shipped digits:" if refit else "on 359 held-out digits:") in done.out.splitlines()
    assert ("it has learned from" in done.err) is refit
    assert (
        json.loads(typed("evaluate", "digits.safetensors", "digits", "--json").out)["learned_from_this_file"] is refit
    )

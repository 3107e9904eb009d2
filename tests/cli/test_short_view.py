"""What `chainrule train` and `evaluate` say at first of tables as people have them: a dozen lines, and the way on."""

import numpy as np
import pytest

from chainrule.data.numerals import hint
from chainrule.training.judge import _four


def customers(path, rng):
    """Ids, two dates, codes, money, texts of three sorts with gaps, and one class in thirteen."""
    lines = ["CustomerID,signup,seen,country,plan,fee,age,zip,referrer,churned"]
    for i in range(400):
        plan = rng.choice(["basic", "plus", "pro"])
        day, month = rng.integers(1, 28), rng.integers(1, 13)
        lines.append(
            f"C{i + 1000},2023-{month:02}-{day:02},{day:02}/{month:02}/2024,{rng.choice(['US', 'DE', ''])},{plan},"
            f"${rng.choice([9.99, 19.99]):.2f},{'' if i % 8 == 0 else rng.integers(18, 80)},"
            f"{rng.integers(501, 99999):05},{rng.choice(['ad', 'friend', ''])},{'yes' if i % 13 == 0 else 'no'}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["--target", "churned"]


def survey(path, rng):
    """Thirteen classes, some very rare, a count of the rows, and one word written in several ways."""
    lines = ["respondent;q1;q2;q3;smoker;segment"]
    for i in range(600):
        answers = rng.integers(1, 6, 3)
        lines.append(f"{i + 1};{';'.join(map(str, answers))};{rng.choice(['Y', 'N', 'yes', ''])};seg{answers.sum()}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["--target", "segment", "--folds", "2", "--epochs", "8"]


def sales(path, rng):
    """UTF-16, semicolons, decimal commas, points between thousands, percent."""

    def german(number):
        return f"{number:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")

    lines = ["Datum;Filiale;Menge;Preis;Rabatt;Umsatz"]
    for _ in range(200):
        count, price = rng.integers(1, 2000), rng.uniform(1, 1500)
        day = f"{rng.integers(1, 29):02}.{rng.integers(1, 13):02}.2023"
        city = rng.choice(["München", "Köln"])
        lines.append(f"{day};{city};{count};{german(price)};{rng.integers(9)} %;{german(count * price)}")
    path.write_bytes(("\n".join(lines) + "\n").encode("utf-16"))
    return ["--target", "Umsatz", "--decimal", ",", "--thousands", "."]


def sensor(path, rng):
    """A count, a time, a constant, and a target that nothing tells of."""
    lines = [",time,temperature,unit,flow"]
    lines += [
        f"{i},2024-03-{1 + i // 24:02} {i % 24:02}:00:00,{20 + rng.normal():.2f},C,{rng.normal():.3f}"
        for i in range(120)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["--target", "flow"]


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("make", [customers, survey, sales, sensor], ids=lambda make: make.__name__)
def test_a_dozen_lines_come_first(typed, tmp_path, monkeypatch, make, columns):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", columns)
    words = make(tmp_path / "t.csv", np.random.default_rng(0))
    plain = [word for word in words if word not in ("--folds", "2")]
    done = typed("train", "t.csv", *plain)
    assert (done.code, len(done.out.splitlines()) <= 12) == (0, True)
    notes = [line for line in done.err.splitlines() if line.startswith("chainrule: ")]
    assert len(notes) <= 4
    assert done.out.endswith("wrote t.safetensors (--detail full tells more)\n")
    assert all(len(line) <= 120 for line in done.out.splitlines())
    full = typed("train", "t.csv", *words, "--detail", "full")
    told = [line for line in full.err.splitlines() if line.startswith("chainrule: note: ")]
    assert set(notes[:3]) <= set(told)
    if len(notes) == 4:
        assert notes[3] == f"chainrule: {len(told) - 3} more note{'s' * (len(told) > 4)} (--detail full)"
    assert len(full.out.splitlines()) > 12
    assert "E+" not in done.out + full.out
    judged = typed("evaluate", "t.safetensors", "t.csv")
    assert (judged.code, len(judged.out.splitlines()) <= 12) == (0, True)
    assert typed("train", "t.csv", *plain, "--detail", "brief").code == 2


def test_a_verdict_comes_before_everything_else(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = sensor(tmp_path / "t.csv", np.random.default_rng(0))
    assert typed("train", "t.csv", *words).out.startswith("note first: no")
    words = customers(tmp_path / "c.csv", np.random.default_rng(0))
    lines = typed("train", "c.csv", *words).out.splitlines()
    assert "'yes': 0 of" in lines[0]
    assert any(line.endswith("(rare: yes; try --class-weight balanced)") for line in lines)
    assert "try chainrule train --class-weight balanced" in typed("evaluate", "c.safetensors", "c.csv").out


def test_what_the_summary_does_not_tell_comes_before_what_it_does(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i},2024-01-{1 + i % 28:02},C{i},k,{-999 if i % 5 == 0 else i % 7},{'ab'[i % 2]}" for i in range(60)]
    (tmp_path / "t.csv").write_text("nr,day,id,same,x,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    notes = [
        line for line in typed("train", "t.csv", "--target", "y", "--epochs", "2").err.splitlines() if "note" in line
    ]
    assert "column 'x': -999 stands in 12 rows" in notes[0]
    assert "is left out" in notes[1]
    assert notes[3] == "chainrule: 2 more notes (--detail full)"


def test_a_class_of_one_row_is_no_headline(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = survey(tmp_path / "t.csv", np.random.default_rng(0))
    words = [word for word in words if word not in ("--folds", "2", "--epochs", "8")]
    assert not typed("train", "t.csv", *words, "--lr", "0.01").out.startswith("note first")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1.293.589,42", "decimal=',' and thousands='.'"),
        ("1,293,589.42", "thousands=','"),
        ("1.293.589", "thousands='.'"),
        ("1,293,589", "thousands=','"),
        ("47,559", "decimal=',' or thousands=','"),
        ("0,5", "decimal=',' or thousands=','"),
        ("1'293.5", 'thousands="\'"'),
        ("1 293,5", "decimal=',' and thousands=' '"),
    ],
)
def test_the_hint_names_what_would_read_the_number(text, said):
    assert hint(text).endswith(f"or say {said}")


def test_lines_of_comment_are_known_as_such(typed, tmp_path):
    (tmp_path / "t.csv").write_text("# exported in May\na,b\n1,2\n", encoding="utf-8")
    done = typed("train", tmp_path / "t.csv", "--target", "b")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "lines that begin with '#' are left out with --comment '#'" in done.err


def test_what_was_said_of_all_numbers_is_no_news(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = sales(tmp_path / "t.csv", np.random.default_rng(0))
    told = typed("train", "t.csv", *words).err
    assert "column 'Rabatt': numbers with % beside them" in told
    assert "'Preis'" not in told


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (33980.4, "33980"),
        (2879000.0, "2879000"),
        (0.00012345, "0.0001234"),
        (3.2e12, "3.2E+12"),
        (0.0, "0"),
        (-7.5, "-7.5"),
    ],
)
def test_four_digits_are_written_out(number, text):
    assert str(_four(number)) == text


def test_notes_of_one_kind_on_many_columns_are_one_line(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [*[f"gap{i}" for i in range(12)], *[f"same{i}" for i in range(12)], "y"]
    lines = [",".join(names)]
    for row in range(60):
        gaps = ["" if (row + i) % 9 == 0 else f"{(row * 7 + i * row) % 23}.5" for i in range(12)]
        lines.append(",".join([*gaps, *map(str, range(12)), "pq"[row % 2]]))
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ("train", "t.csv", "--target", "y", "--epochs", "2")
    done, full = typed(*words), typed(*words, "--detail", "full")
    notes = [line for line in done.err.splitlines() if line.startswith("chainrule: ")]
    assert notes == [
        "chainrule: note: t.csv: 12 columns miss values, and the mean of each stands in: gap0, gap1, gap2 and 9 more",
        "chainrule: note: t.csv: 12 columns do not vary and are left out: same0, same1, same2 and 9 more",
    ]
    told = [line for line in full.err.splitlines() if line.startswith("chainrule: ")]
    assert sorted(line.split("'")[1] for line in told) == sorted(names[:-1])
    judged = typed("predict", "t.safetensors", "t.csv").err.splitlines()
    assert [line.partition(": gap0")[0] for line in judged] == [notes[0].partition(": gap0")[0]]


def test_predict_tells_each_note_on_request(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [",".join(str((i * k) % 7) for k in range(1, 7)) + f",{'ab'[i % 2]}" for i in range(60)]
    (tmp_path / "t.csv").write_text("a,b,c,d,e,f,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "new.csv").write_text("n,a,b,c,d,e,f\n1,,,,,,\n2,1,1,1,1,1,1\n", encoding="utf-8")
    assert typed("train", "t.csv", "--target", "y", "--epochs", "2").code == 0
    together, each = (typed("predict", "t.safetensors", "new.csv", "--detail", word) for word in ("short", "full"))
    assert together.out == each.out == typed("predict", "t.safetensors", "new.csv").out
    assert sum("6 columns miss values" in line for line in together.err.splitlines()) == 1
    assert "column 'a' misses" not in together.err
    assert sum(f"column '{name}' misses 1 of 2 values" in each.err for name in "abcdef") == 6
    assert typed("predict", "t.safetensors", "new.csv", "--detail", "brief").code == 2


def test_gradients_that_have_no_room_are_named(typed):
    cell = "i = sigmoid(a); f = sigmoid(b); o = sigmoid(c); g = tanh(d); e = f*h + i*g; y = o*tanh(e)"
    shown = typed("grad", cell, *[f"{name}=0.5" for name in "abcdh"]).out
    assert shown.splitlines()[-1].startswith("Every step, as ∂y/∂e, ")
    assert "Every step: --detail full" in typed("grad", "h = w*x; y = h**2", "w=1", "x=2").out

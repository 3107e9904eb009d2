"""A teacher's set: sheets with their own numbers, a key, worksheets; and the marks of what comes back."""

from __future__ import annotations

import json

import pytest

from chainrule.errors import FileError
from chainrule.lessons.chapter import LessonError
from chainrule.lessons.sets import FILE, ExerciseSet, chosen, form, read_form, read_set

SET = ExerciseSet(("8.3", "8.5", "9.1", "16.1"), sheets=3, seed=11)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    SET.save(folder)
    return folder


def test_each_sheet_has_its_own_numbers_and_they_are_the_same_again():
    asked = [SET.sheet(number)[0].ask for number in (1, 2, 3)]
    assert len({*asked}) == 3
    assert asked == [ExerciseSet(SET.ids, 3, 11).sheet(number)[0].ask for number in (1, 2, 3)]
    assert SET.sheet(1)[3] == SET.sheet(2)[3]  # a formula in matrices has no numbers


def test_the_folder_holds_sheets_forms_worksheets_and_the_key(folder):
    names = {place.name for place in folder.iterdir()}
    assert {"sheet-01.html", "sheet-03.txt", "key.html", "worksheet-02-8.3.html", "key-02-8.3.html", FILE} <= names
    assert not any("9.1" in name for name in names)
    sheet, key = (folder / "sheet-02.html").read_text(), (folder / "key.html").read_text()
    first = SET.sheet(2)[0]
    assert first.ask in sheet.replace("&lt;", "<")
    assert first.why not in sheet
    assert first.answer in key
    assert first.why in key
    assert "missing-factor" in key


def test_a_set_is_read_back_and_another_does_not_replace_it(folder):
    assert read_set(folder) == SET
    SET.save(folder)  # the same again
    with pytest.raises(FileError, match="another set"):
        ExerciseSet(("8.3",), 3, 12).save(folder)


@pytest.mark.parametrize(
    "damage", ["", "[]", "{}", '{"exercises": ["99.9"], "sheets": 1, "seed": 1}', '{"exercises": 1}']
)
def test_a_damaged_set_says_so(tmp_path, damage):
    (tmp_path / FILE).write_text(damage)
    with pytest.raises((FileError, LessonError)):
        read_set(tmp_path)


def test_forms_are_marked_with_a_summary(tmp_path):
    right, second = SET.sheet(1), SET.sheet(2)
    (tmp_path / "ada.txt").write_text("sheet: 1\n" + "".join([f"{e.id}: {e.answer}\n" for e in right]))
    x, w1, w2, y = (second[0].values[name] for name in ("x", "w1", "w2", "y"))
    (tmp_path / "ben.txt").write_text(f"Sheet = 2\n8.3 = {(w2 * w1 * x - y) * x:.9g}\n8.5 = it doubles\n9.1 = ((\n")
    (tmp_path / "cleo.txt").write_text("8.3: 1\n")
    (tmp_path / "dan.txt").write_bytes(b"sheet: 1\n8.3: \xff\xfe\n")
    (tmp_path / "eve.txt").write_text("sheet: 7\n8.3: 1\n")
    marks = SET.marks(tmp_path)
    table = marks.table()
    assert table.columns == ("name", "sheet", "right", *SET.ids)
    assert table.rows[0] == ("ada", 1, 4, 1, 1, 1, 1)
    assert table.rows[1] == ("ben", 2, 1, 0, 1, "?", None)
    assert table.rows[2] == ("cleo", None, 0, None, None, None, None)
    assert marks.mistakes() == [("8.3", "missing-factor", 1)]
    summary = marks.summary().splitlines()
    assert summary[0] == "5 of 6 answers right, 1 not read"
    assert "9.1: 1 of 1 right, 1 not read, 3 blank" in summary
    assert "ben, 9.1: This cannot be read as a number." in summary
    assert "8.3: 1 of 2 right, 3 blank" in summary
    assert "8.3: missing-factor, 1 time" in summary
    assert sum(": not read" in line for line in summary) == 3
    told = json.loads(json.dumps(marks.as_dict()))
    assert told["submissions"][1]["answers"]["8.3"]["mistakes"] == ["missing-factor"]


def test_a_folder_without_forms_says_so(tmp_path):
    with pytest.raises(FileError, match=r"no \.txt"):
        SET.marks(tmp_path)


def test_an_empty_form_is_a_form_and_lines_are_read_as_people_write_them():
    number, answers = read_form(form(2, SET.sheet(2)))
    assert (number, set(answers)) == (2, set(SET.ids))
    assert not any(answers.values())
    assert read_form("Sheet : 4\n 8.1 = w = 2\nnothing\n\n9.1:2")[1] == {"8.1": "w = 2", "9.1": "2"}
    for text in ("", "8.1: 2", "sheet: x", "sheet: -1", "sheet: " + "9" * 50):
        with pytest.raises(LessonError, match="which sheet"):
            read_form(text)


def test_exercises_are_named_by_number_or_by_chapter():
    assert chosen(["9.1", "9.1", "7"]) == ("9.1", "7.1", "7.2", "7.3")
    for words in (["99"], ["8.99"], ["x"], []):
        with pytest.raises(LessonError, match="name chapters"):
            chosen(words)

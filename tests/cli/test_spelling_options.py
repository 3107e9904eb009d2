"""How a file is written is said once, when a network is trained, and kept with it."""

import json


def test_the_command_line_reads_predicts_and_judges_alike(tmp_path, typed, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["Größe;Preis", *[f"{1 + i % 9},{i % 7};{1 + i % 9}.{200 + i},5" for i in range(60)]]
    (tmp_path / "t.csv").write_text("% Messung\n" + "\n".join(lines) + "\n", encoding="latin-1")
    options = ["--decimal", ",", "--thousands", ".", "--encoding", "latin-1", "--comment", "%"]
    done = typed("train", "t.csv", "--target", "Preis", "--epochs", "200", "--lr", "0.02", *options)
    assert done.code == 0, done.err
    judged = typed("evaluate", "t.safetensors", "t.csv", "--json")
    assert json.loads(judged.out)["r2"] > 0.9
    predicted = typed("predict", "t.safetensors", "t.csv").out.splitlines()
    assert len(predicted) == 61
    for wrong in (["--decimal", ";"], ["--thousands", "x"], ["--decimal", ",", "--thousands", ","]):
        assert typed("train", "t.csv", "--target", "Preis", *wrong).code == 2
    refused = typed("train", "t.csv", "--target", "Preis")
    assert refused.code == 1
    assert "--encoding latin-1" in refused.err.replace("'", "")

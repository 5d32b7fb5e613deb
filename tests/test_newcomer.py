"""The mistakes a newcomer makes first, each answered by one line that names the mend."""

import json
import os
import re
import tomllib

import pytest

from stream.app.cli import main

DATA = "id,at,a,b,late\n" + "".join(
    f"e{n},{1_000_000 + n},{n % 7},{'xyz'[n % 3]},{int(n % 7 > 3)}\n" for n in range(300)
)
CONFIG = """
task = "binary"
[input]
id = "id"
time = "at"
label = "late"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(DATA)
    (tmp_path / "app.toml").write_text(CONFIG)
    return tmp_path


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code or 0


def complaint(capsys, *arguments, status=2):
    assert run(*arguments) == status
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("driftline: ")
    return lines[0]


def edit(folder, old, new):
    path = folder / "app.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


REPLAY = ("replay", "app.toml", "data.csv", "--out", "out")


def test_it_works_when_nothing_is_wrong(folder, capsys):
    assert run(*REPLAY) == 0
    shown = capsys.readouterr().out
    assert "300 scored predictions" in shown
    summary = json.loads((folder / "out/summary.json").read_text())
    assert summary["events"] == summary["predictions"] == summary["labels"] == 300


def test_no_such_data(capsys):
    line = complaint(capsys, "replay", "app.toml", "dta.csv", "--out", "out")
    assert "dta.csv" in line
    assert "no such file" in line


def test_no_such_configuration(capsys):
    assert "ap.toml" in complaint(capsys, "replay", "ap.toml", "data.csv", "--out", "out")


def test_unknown_key(folder, capsys):
    edit(folder, "[input]", "[inptu]")
    line = complaint(capsys, *REPLAY).splitlines()[0]
    assert "did you mean [input]?" in line
    assert "app.toml" in line


def test_wrong_column(folder, capsys):
    edit(folder, '"late"', '"lat"')
    line = complaint(capsys, *REPLAY)
    assert "no field 'lat' ([input] label); did you mean 'late'?" in line


def test_mistyped_class(folder, capsys):
    (folder / "app.toml").write_text(
        CONFIG + '[learner]\nclass = "river.tree.HoefdingTreeClassifier"\n'
    )
    line = complaint(capsys, *REPLAY)
    assert "river.tree.HoeffdingTreeClassifier" in line


def test_labels_of_another_kind(folder, capsys):
    (folder / "data.csv").write_text(DATA.replace(",1\n", ",UP\n").replace(",0\n", ",DOWN\n"))
    line = complaint(capsys, *REPLAY)
    assert "UP" in line
    assert "[input] positive =" in line


def test_a_label_that_never_appears(folder, capsys):
    rows = DATA.splitlines()
    bare = [rows[0]] + [row.rsplit(",", 1)[0] + "," for row in rows[1:]]
    (folder / "data.csv").write_text("\n".join(bare) + "\n")
    assert run(*REPLAY) == 0
    assert "no label came" in capsys.readouterr().out


def test_a_folder_that_holds_something_else(folder, capsys):
    (folder / "out").mkdir()
    (folder / "out/thesis.tex").write_text("years of work")
    assert "thesis.tex" in complaint(capsys, *REPLAY, status=1)
    assert "thesis.tex" in complaint(capsys, *REPLAY, "--fresh", status=1)
    assert (folder / "out/thesis.tex").exists()


@pytest.mark.parametrize("what", ["configuration", "source"])
def test_a_folder_of_another_run_is_refused_unless_fresh(what, folder, capsys):
    assert run(*REPLAY) == 0
    if what == "configuration":
        edit(folder, "[input]", "seed = 1\n[input]")
    else:
        (folder / "data.csv").write_text(DATA + "e999,2000000,1,x,1\n")
    capsys.readouterr()
    assert f"another {what}" in complaint(capsys, *REPLAY, status=1)
    assert run(*REPLAY, "--fresh") == 0


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_no_permission_to_write(folder, capsys):
    (folder / "locked").mkdir(mode=0o500)
    line = complaint(capsys, *REPLAY[:-1], "locked/out", status=1)
    assert "Permission denied" in line


def test_out_is_a_file(folder, capsys):
    (folder / "out").write_text("")
    assert "out" in complaint(capsys, *REPLAY, status=1)


def test_init_check_and_replay_go_together(folder, capsys):
    assert run("init", "data.csv", "-o", "mine.toml") == 0
    assert 'label = "late"' in (folder / "mine.toml").read_text()
    assert run("check", "mine.toml", "data.csv") == 0
    assert "the same under two hash seeds" in capsys.readouterr().out
    assert run("replay", "mine.toml", "data.csv", "--out", "mine") == 0
    assert "is there already" in complaint(capsys, "init", "data.csv", "-o", "mine.toml", status=1)


def test_what_init_saw_is_written_down_and_held_to(folder, capsys):
    rows = "".join(
        f"e{n},{n % 7},{'xyz'[n % 3]},{'r' if n % 900 else 'rare'},{n if n % 5 else ''},{n % 2}\n"
        for n in range(3000)
    )
    (folder / "more.csv").write_text(f"id,a,b,c,d,late\n{rows}")
    assert run("init", "more.csv", "-o", "mine.toml") == 0
    text = (folder / "mine.toml").read_text()
    fields = tomllib.loads(text)["contract"]["fields"]
    assert fields == {"b": {"categories": ["x", "y", "z"]}}  # the rest is advice
    advice = re.sub(r"(?m)^# (\[contract|min|max|categories|required|missing)", r"\1", text)
    fields = tomllib.loads(advice)["contract"]["fields"]
    assert fields == {
        "a": {"min": 0, "max": 6, "required": True},
        "b": {"categories": ["x", "y", "z"], "required": True},
        "c": {"categories": ["r", "rare"], "required": True},
        "d": {"min": 1, "max": 2999, "missing": 0.2},
    }
    (folder / "mine.toml").write_text(advice.replace("max = 6", "max = 5"))
    capsys.readouterr()
    assert run("check", "mine.toml", "more.csv") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "a (from 0, to 5, required), b (x, y, z, required)" in shown
    assert "a in 428 are not as declared" in shown


def test_checkpoints_can_be_listed_shown_compared_and_verified(folder, capsys):
    assert run(*REPLAY) == 0
    manifest = json.loads((folder / "out/checkpoints.jsonl").read_text().splitlines()[-1])
    capsys.readouterr()
    assert run("checkpoints", "list", "out") == 0
    assert manifest["checkpoint"][:12] in capsys.readouterr().out
    assert run("checkpoints", "show", "out", manifest["checkpoint"][:6]) == 0
    assert "HoeffdingTreeClassifier" in capsys.readouterr().out
    assert run("checkpoints", "diff", "out", *[manifest["checkpoint"]] * 2) == 0
    assert run("checkpoints", "verify", "out") == 0
    assert "1 checkpoints verified with the key from the file" in capsys.readouterr().out
    assert "begins with fffff" in complaint(
        capsys, "checkpoints", "show", "out", "fffff", status=1
    )
    assert "holds no run" in complaint(capsys, "checkpoints", "list", "nowhere", status=1)


def test_every_command_has_help_with_an_example(capsys):
    for words in (["demo"], ["init"], ["check"], ["replay"], ["checkpoints", "list"],
                  ["checkpoints", "show"], ["checkpoints", "verify"], ["checkpoints", "diff"]):
        assert run(*words, "--help") == 0
        assert f"Example: driftline {' '.join(words)}" in capsys.readouterr().out


def test_wrong_use_exits_with_2(capsys):
    assert run("replay") == 2
    assert run("no-such-command") == 2
    assert "Traceback" not in capsys.readouterr().err

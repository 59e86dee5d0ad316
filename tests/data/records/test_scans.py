from pathlib import Path

import pytest

from xiqa.data.records.scans import locate, read_table, without_row
from xiqa.data.records.tables import Log
from xiqa.errors import BadInput

HEADER = "image\tsubject\tsplit\tlabel\tartifact_type\tcontrast"


@pytest.fixture
def table(tmp_path):
    """Write a table and read it: rows, named paths, notes; problems as (line, reason) by split."""

    def make(content: str | bytes):
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "scans.tsv").write_bytes(raw)
        place = locate(tmp_path)
        logs = {split: Log(place) for split in ("train", "val", "test")}
        result = read_table(place, logs)
        return result, {split: [(p.line, p.reason) for p in log.problems] for split, log in logs.items()}, logs

    return make


def test_rows_of_a_plain_table(table, tmp_path):
    (rows, named, notes), problems, _ = table(
        f"{HEADER}\na/b.nii.gz\tsub-1\ttrain\tartifact\tmotion\tT1w\nc.mnc\t2\tVAL\tClean\tn/a\t\n"
    )
    first, second = rows
    assert (first.line, first.path, first.name) == (2, tmp_path / "a" / "b.nii.gz", "a/b.nii.gz")
    assert first.content == ("sub-1", "train", 1, "motion", "T1w")
    assert second.content == ("2", "val", 0, "", "")
    assert (named, notes) == ({first.path, second.path}, [])
    assert not any(problems.values())


PLAIN = f"{HEADER}\na.nii\ts1\ttrain\tclean\t\tT1w\nb.nii\ts2\ttest\tartifact\tmotion\tT2w\n"


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("a.nii", '"a.nii"').replace("motion", '"motion"'),
        PLAIN.replace("\n", "\n\n"),
        PLAIN.rstrip("\n"),
        PLAIN.replace("a.nii\t", " ./a.nii \t"),
        PLAIN.upper().replace("A.NII", "a.nii").replace("B.NII", "b.nii").replace("T1W", "T1w").replace("T2W", "T2w")
        .replace("MOTION", "motion").replace("S1", "s1").replace("S2", "s2"),
    ],
    ids=["BOM", "CRLF", "quoted", "empty lines", "no last newline", "blanks", "upper case"],
)  # fmt: skip
def test_other_ways_to_write_the_same(table, content):
    rows = table(content)[0][0]
    assert [(row.path.name, *row.content) for row in rows] == [
        ("a.nii", "s1", "train", 0, "", "T1w"),
        ("b.nii", "s2", "test", 1, "motion", "T2w"),
    ]


def test_columns_in_another_order_and_more_of_them(table):
    (rows, _, _), _, _ = table("label\tage\tsplit\timage\tsubject\nclean\t33\ttest\ta.nii\ts1\n")
    assert rows[0].content == ("s1", "test", 0, "", "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty_table"),
        ("\n\n", "empty_table"),
        (HEADER + "\n", "empty_table"),
        ("image\tsplit\tlabel\na.nii\ttrain\tclean\n", "missing_column"),
        (HEADER.replace("\t", ",") + "\na.nii,s,train,clean,,\n", "missing_column"),
        (HEADER + "\tlabel\na.nii\ts\ttrain\tclean\t\t\tclean\n", "missing_column"),
        (HEADER + '\n"a.nii\ts\ttrain\tclean\t\t\nb.nii\ts\ttrain\tclean\t\t\n', "bad_table"),
    ],
)
def test_tables_that_cannot_be_read(table, content, reason, reason_of):
    assert reason_of(table, content) == reason


def test_the_sentence_on_a_missing_column_names_it_and_what_is_there(table):
    with pytest.raises(BadInput, match=r"scans.tsv .*subject.*'image', 'split', 'label'.*tabs"):
        table("image\tsplit\tlabel\na.nii\ttrain\tclean\n")


@pytest.mark.parametrize(
    ("row", "reason", "split", "words"),
    [
        ("a.nii\ts1\ttrain\tgood\t\t", "unknown_label", "train", "'good': write clean or artifact"),
        ("a.nii\ts1\ttest\t\t\t", "unknown_label", "test", "''"),
        ("a.nii\ts1\tdev\tclean\t\t", "unknown_split", "train", "'dev': write train, val or test"),
        ("a.nii\t\tval\tclean\t\t", "missing_subject", "val", "names no subject"),
        ("a.nii\tn/a\tval\tclean\t\t", "missing_subject", "val", "names no subject"),
        ("\ts1\ttrain\tclean\t\t", "missing_name", "train", "names no image"),
        ("../a.nii\ts1\ttrain\tclean\t\t", "outside_root", "train", "leads out"),
        ("/etc/a.nii\ts1\ttrain\tclean\t\t", "outside_root", "train", "leads out"),
        (".\ts1\ttrain\tclean\t\t", "outside_root", "train", "leads out"),
        ("a.nii\ts1\ttrain\tclean", "bad_row", "train", "4 fields where the header has 6"),
        ("a.nii s1 train clean", "bad_row", "train", "1 fields"),
    ],
)
def test_a_bad_row_is_one_problem_and_the_rest_goes_on(table, row, reason, split, words):
    (rows, _, _), problems, logs = table(f"{PLAIN}{row}\n")
    assert [row.name for row in rows] == ["a.nii", "b.nii"]
    assert problems.pop(split) == [(4, reason)]
    assert not any(problems.values())
    message = logs[split].problems[0].message
    assert message.startswith("scans.tsv, line 4: ")
    assert words in message


def test_rows_that_are_alike_count_once(table):
    (rows, _, _), problems, logs = table(PLAIN + "./a.nii\ts1\ttrain\tclean\t\tT1w\n")
    assert [row.line for row in rows] == [2, 3]
    assert problems["train"] == [(4, "duplicate_row")]
    assert logs["train"].problems[0].status == "warning"
    assert "lines 2 and 4 are equal" in logs["train"].problems[0].message


@pytest.mark.parametrize("other", ["s1\ttrain\tartifact\t\tT1w", "s9\ttrain\tclean\t\tT1w", "s1\ttest\tclean\t\tT1w"])
def test_rows_that_contradict_each_other_are_all_left_out(table, other):
    (rows, _, _), problems, logs = table(f"{PLAIN}a.nii\t{other}\n")
    assert [row.name for row in rows] == ["b.nii"]
    assert sorted(problems["train"] + problems["test"]) == [(2, "conflicting_rows"), (4, "conflicting_rows")]
    assert all(p.status == "error" for log in logs.values() for p in log.problems)


def test_where_the_table_lies(tmp_path, reason_of):
    assert reason_of(locate, tmp_path / "none") == "missing"
    assert reason_of(locate, tmp_path) == "missing_table"
    (tmp_path / "file").write_text("")
    assert reason_of(locate, tmp_path / "file") == "not_a_directory"
    with pytest.raises(BadInput, match=r"image .*subject, split .*label"):
        locate(tmp_path)


def test_volumes_without_a_row_are_named_and_what_bids_keeps_beside_is_not(table, tmp_path):
    table(PLAIN)
    for name in ("a.nii", "b.nii", "c.nii.gz", "deep/d.mnc", "deep/e.MNC.GZ"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("dataset_description.json", "a.json", "derivatives/x/f.nii.gz", "sourcedata/g.nii", ".cache/h.nii",
                 "deep/.i.nii"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    problems = without_row(locate(tmp_path), {tmp_path / "a.nii", tmp_path / "b.nii"})
    assert [p.path.relative_to(tmp_path) for p in problems] == [
        Path("c.nii.gz"), Path("deep/d.mnc"), Path("deep/e.MNC.GZ")
    ]  # fmt: skip
    assert {(p.reason, p.status) for p in problems} == {("no_row", "warning")}
    assert problems[0].message == "c.nii.gz has no row in scans.tsv and is not used: add one, or move the file away"

import pytest

from xiqa.data.records.tables import Place, locate, missing_table, read_table
from xiqa.errors import BadInput

HEADER = "image_name,annotation\n"


@pytest.fixture
def table(tmp_path):
    def write(content):
        path = tmp_path / "test.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Place(tmp_path, path, tmp_path)

    return write


def test_rows_with_their_lines(table):
    rows, log, notes = read_table(table(HEADER + "a.png,0 1 2 3 4\n\nb.png,\n"))
    assert [(row.line, row.path.name, row.annotation) for row in rows] == [(2, "a.png", "0 1 2 3 4"), (4, "b.png", "")]
    assert (log.problems, notes) == ([], [])


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffimage_name,annotation\na.png,0 1 2 3 4\n",
        "image_name,annotation\r\na.png,0 1 2 3 4\r\n",
        '"image_name","annotation"\n"a.png","0 1 2 3 4"\n',
        '\ufeff"image_name","annotation"\r\n"a.png","0 1 2 3 4"',
        "image_path,annotation\na.png,0 1 2 3 4\n",
        "annotation,subject,image_name\n0 1 2 3 4,7,a.png\n",
        "Image_Name , Annotation\na.png , 0 1 2 3 4 \n",
        "\nimage_name,annotation\na.png,0 1 2 3 4\n",
    ],
)
def test_ways_to_write_the_same_table(table, content):
    (row,), log, _ = read_table(table(content))
    assert (row.name, row.annotation) == ("a.png", "0 1 2 3 4")
    assert log.problems == []


def test_lines_count_where_a_quoted_field_runs_over_several(table):
    rows, _, _ = read_table(table(HEADER + '"a.png","0 1 2 3 4;\n0 5 6 7 8"\nb.png,\n'))
    assert [row.line for row in rows] == [2, 4]
    assert rows[0].annotation == "0 1 2 3 4;\n0 5 6 7 8"


def test_latin_1_is_read_and_noted(table):
    rows, _, notes = read_table(table(HEADER.encode() + "Müller.png,\n".encode("latin-1")))
    assert rows[0].name == "Müller.png"
    assert notes == ["test.csv is not UTF-8 and was read as Latin-1"]


def test_rows_of_another_width_are_damaged_rows(table):
    rows, log, _ = read_table(table(HEADER + "a.png\nb.png,\nc.png,0 1,2 3 4\n"))
    assert [row.name for row in rows] == ["b.png"]
    assert [(problem.line, problem.reason) for problem in log.problems] == [(2, "bad_row"), (4, "bad_row")]
    assert "1 field where the header has 2" in log.problems[0].message


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        ("", "empty_split", "image_name and annotation"),
        ("\ufeff\n \n", "empty_split", "image_name and annotation"),
        ("name,annotation\na.png,\n", "missing_column", "'name', 'annotation'"),
        ("image_name\na.png\n", "missing_column", "'image_name'"),
        ("image_name;annotation\na.png;\n", "missing_column", "'image_name;annotation'"),
        ("a.png,0 1 2 3 4\n", "missing_column", "'a.png'"),
        (HEADER + 'a.png,\n"b.png,0 1 2 3 4\nc.png,\n', "bad_table", "line 3"),
        (HEADER + 'a.png,"0 1 2 3 4" 5\n', "bad_table", "line 2"),
    ],
)
def test_a_table_that_cannot_be_used(table, content, reason, words):
    place = table(content)
    with pytest.raises(BadInput) as caught:
        read_table(place)
    assert caught.value.reason == reason
    assert words in str(caught.value)
    assert str(place.table) in str(caught.value)


@pytest.mark.parametrize("layout", ["repository", "challenge", "challenge_path"])
def test_layouts_are_found(tmp_path, lay_out, entries, layout):
    lay_out(tmp_path, {split: entries(2) for split in ("train", "val", "test")}, layout)
    for split in ("train", "val", "test"):
        place = locate(tmp_path, split)
        assert place.image("00001.png").is_file()
        assert place.image("00009.png") == place.images / "00009.png"
        assert place.images.name == ("images" if layout == "repository" else place.table.stem)
        assert place.image("../../../secret.png") is None
        assert place.image("/etc/secret.png") is None


def test_one_split_alone(tmp_path, lay_out, entries):
    root = lay_out(tmp_path, {"test": entries(2)}, "repository") / "object-CXR_test"
    assert locate(root, "test").image("00000.png") == root / "images" / "00000.png"
    assert locate(root, "train") is None
    assert "object-CXR_val/dev.csv or dev.csv" in missing_table(root, "val").message


def test_images_beside_the_table(tmp_path, film, encoded):
    (tmp_path / "test.csv").write_text(HEADER + "a.png,\n")
    (tmp_path / "a.png").write_bytes(encoded(film(), "PNG"))
    assert locate(tmp_path, "test").image("a.png") == tmp_path / "a.png"


def test_a_relative_root_with_dots(tmp_path, lay_out, entries, monkeypatch):
    lay_out(tmp_path / "data", {"test": entries(2)}, "challenge")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    place = locate("../data", "test")
    assert place.image("00001.png") == tmp_path / "data" / "test" / "00001.png"
    assert place.image("../../x.png") is None
    monkeypatch.chdir(tmp_path / "data")
    assert locate(".", "test").image("../x.png") == tmp_path / "data" / "x.png"


def test_a_root_that_cannot_be_used(tmp_path):
    (tmp_path / "notes.csv").touch()
    for root, reason in [
        (tmp_path / "nowhere", "missing"), (tmp_path / "notes.csv", "not_a_directory"), (tmp_path, "unknown_layout"),
    ]:  # fmt: skip
        with pytest.raises(BadInput) as caught:
            locate(root, "test")
        assert caught.value.reason == reason
        assert str(root) in str(caught.value)
    for layout in ("object-CXR_train/train.csv", "train.csv with train/", "test.csv with images/"):
        assert layout in str(caught.value)

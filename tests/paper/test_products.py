import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from PIL import Image

from xiqa import recipes
from xiqa.paper import products
from xiqa.paper.readme import quote
from xiqa.paper.study import Study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def paper(folders):
    with mpl.rc_context():
        yield products.begin("05_pointing_game", Study("smoke"))


def test_a_table_is_written_in_three_forms_and_marked_as_simulated(paper):
    frame = pd.DataFrame({"method": ["a_b", "100 %"], "score": [1.5, None]})
    paper.table("table_x", frame, "Shares in %.")
    folder = paper.folder
    pd.testing.assert_frame_equal(pd.read_csv(folder / "table_x.csv"), frame)
    assert "a_b" in (folder / "table_x.md").read_text()
    latex = (folder / "table_x.tex").read_text()
    assert r"a\_b" in latex
    assert r"Shares in \%." in latex
    about = json.loads((folder / "table_x.json").read_text())
    assert about["stand_in"] is True
    assert about["caption"].startswith("Embedded stand-in data (simulated radiographs")
    assert (about["kind"], about["notebook"]) == ("table", "05_pointing_game")


def test_a_figure_comes_with_its_data_and_is_the_same_twice(paper):
    data = pd.DataFrame({"x": [1, 2]})

    def drawn():
        figure, ax = plt.subplots()
        ax.plot(data["x"])
        paper.figure("fig_x", figure, data, "A line.")
        assert not plt.fignum_exists(figure.number)
        return (paper.folder / "fig_x.png").read_bytes()

    assert drawn() == drawn()
    assert pd.read_csv(paper.folder / "fig_x.csv").equals(data)
    with Image.open(paper.folder / "fig_x.png") as picture:
        assert "Software" not in picture.info


def test_values_and_checks_are_kept_by_notebook(paper, tmp_path):
    paper.value("a", 0.123456, "first")
    paper.value("b", 1, "second")
    values = json.loads((paper.folder / "values" / "05_pointing_game.json").read_text())
    assert values["a"] == {"value": 0.1235, "meaning": "first", "notebook": "05_pointing_game"}
    assert list(values) == ["a", "b"]
    paper.check("holds", True, "it holds")
    paper.check("fails", False, "it does not")
    lines = (tmp_path / "results" / "smoke" / "checks" / "05_pointing_game.json").read_text().splitlines()
    assert [json.loads(line)["ok"] for line in lines] == [True, False]


def test_products_of_real_data_go_elsewhere_and_captions_name_the_data_read(tmp_path, paper):
    real = products.Paper("01_data", Study("smoke", tmp_path, lvot=tmp_path, mri=tmp_path))
    assert real.folder.name == "smoke-real"
    assert not real.study.stand_in()
    assert "stand-in" not in real.caption("x")
    study = Study("smoke", object_cxr=tmp_path)
    assert "simulated cardiac cine frames" in products.Paper("03_saliency", study).caption("x")
    assert "simulated brain volumes" in products.Paper("06_mri_uncertainty", study).caption("x")
    assert tmp_path.name not in products.Paper("06_mri_uncertainty", study).caption("x")


def test_every_font_of_the_house_style_is_there(paper):
    from matplotlib import font_manager

    found = font_manager.findfont(mpl.rcParams["font.family"][0], fallback_to_default=False)
    assert Path(found).is_file()


def test_published_numbers_have_a_source_and_products_one_notebook():
    for name, entry in products.published().items():
        assert entry["source"].startswith(("P", "C")), name
        assert 0 <= entry["value"] <= 1
    made = [name for names in recipes.PRODUCTS.values() for name in names]
    assert len(made) == len(set(made))


def test_a_long_table_is_shown_in_part_and_written_whole(paper, capsys):
    paper.table("table_long", pd.DataFrame({"row": range(50)}), "Rows.")
    shown = capsys.readouterr().out
    assert "19" in shown
    assert "49" not in shown
    assert len(pd.read_csv(paper.folder / "table_long.csv")) == 50


def test_the_readme_quotes_the_committed_figures():
    readme = ROOT / "README.md"
    assert readme.read_text() == quote(readme, ROOT / "figures" / "quick")

import re
from html.parser import HTMLParser

import nbformat

from xiqa.runner import twins
from xiqa.runner.report import _shorten, _table


class Loads(HTMLParser):
    """Collects what a page would load: sources, style sheets, scripts; and its links."""

    def __init__(self):
        super().__init__()
        self.loaded, self.links, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.loaded += [attrs[name] for name in ("src", "srcset", "data", "poster") if attrs.get(name)]
        if tag == "link":
            self.loaded.append(attrs.get("href"))
        if tag == "script":
            self.loaded.append("script")
        if tag == "a" and "href" in attrs:
            self.links.append(attrs["href"])


def _read(page) -> Loads:
    loads = Loads()
    loads.feed(page.read_text())
    assert not re.search(r"@import|url\((?!data:)", page.read_text())
    return loads


def test_report_and_pages_load_nothing(toy):
    folder = toy.root / "results/quick"
    loads = _read(folder / "report.html")
    assert loads.loaded
    assert all(source.startswith("data:image/png;base64,") for source in loads.loaded)
    for link in loads.links:
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in (folder / "report.html").read_text()
        else:
            assert (folder / link).is_file(), link
    pages = sorted((folder / "pages").iterdir())
    assert [page.stem for page in pages] == ["01_data", "03_saliency", "05_pointing_game"]
    for page in pages:
        assert _read(page).loaded == []


def test_report_has_every_product_job_and_notebook_and_what_is_out_of_date(toy):
    text = (toy.root / "results/quick/report.html").read_text()
    for word in ("table_datasets", "fig_layers", "A caption", "stand-in", "torch ", "train:net", "05_pointing_game"):
        assert word in text
    assert "<b>2 of 2</b> tables and figures made,\n<b>2</b> by this run" in text
    toy.run("--only", "01", "--force", "01")
    text = (toy.root / "results/quick/report.html").read_text()
    assert "<b>2 of 2</b> tables and figures made,\n<b>1</b> by this run" in text
    toy.edit("notebooks/03_saliency.py", "profile)", "profile, 2)")
    toy.run("--only", "01")
    text = (toy.root / "results/quick/report.html").read_text()
    assert "the code of 03_saliency.py changed" in text
    assert "<b>1 of 2</b>" in text


def test_numbers_that_mean_nothing_are_marked_on_every_page(toy):
    toy.edit("xiqa/recipes.py", '"quick"', '"smoke"')
    toy.edit("xiqa/recipes.py", '"a toy"', '"its numbers mean nothing"')
    toy.run("--profile", "smoke")
    folder = toy.root / "results/smoke"
    for page in [folder / "report.html", *(folder / "pages").iterdir()]:
        assert "The numbers of this page mean nothing" in page.read_text()


def test_text_of_a_notebook_cannot_break_the_page(toy):
    toy.notebook("03_saliency", 'toy.make("fig_layers", caption="<script>alert(1)</script> & so on")')
    toy.run("--only", "03")
    text = (toy.root / "results/quick/report.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_publish_writes_the_twins_of_the_notebooks_chosen(toy):
    assert "Published 03_saliency.ipynb." in toy.run("--only", "03", "--publish")
    notebooks = toy.root / "notebooks"
    assert [path.name for path in notebooks.glob("*.ipynb")] == ["03_saliency.ipynb"]
    assert twins.same_code(notebooks / "03_saliency.py", notebooks / "03_saliency.ipynb")
    cells = nbformat.read(notebooks / "03_saliency.ipynb", 4).cells
    assert cells[-1].outputs[0].text == "end of quick\n"


def test_overview_leaves_out_what_all_captions_begin_with():
    products = [{"caption": f"Simulated data. {text}"} for text in ("One.", "Two words.")] + [{"caption": ""}]
    _shorten(products)
    assert [product["brief"] for product in products] == ["One.", "Two words.", ""]


def test_tables_are_aligned_by_content_shortened_and_cut(tmp_path):
    rows = "".join(f"a{i},{i}.0,0.123456,1234.56789\n" for i in range(49))
    (tmp_path / "t.csv").write_text("name,count,share,value\n" + rows + ",,,1.5\n")
    table = _table(tmp_path / "t.csv")
    assert table["numeric"] == [False, True, True, True]
    assert table["rows"][24] == ["a24", "24", "0.1235", "1235"]
    assert (len(table["rows"]), table["more"]) == (40, 10)
    (tmp_path / "t.csv").write_text("name,value\n,1.5\nb,\n")
    assert _table(tmp_path / "t.csv")["rows"] == [["", "1.5"], ["b", ""]]

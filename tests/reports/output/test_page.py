"""The page in a browser: what it shows, what its controls do, and that it needs neither a network nor scripts."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prunebench.records.record import Record
from prunebench.reports.output.writing import write_report
from prunebench.reports.results import gather_results

Opened = Callable[..., Any]
METHODS = ("magnitude", "taylor", "obd", "l1", "random", "dense_continued", "shuffle:taylor", "scratch:magnitude")
ODD = (
    'a"|&<b>',
    "x'; --><script>document.title='run'</script>",
    "`tick` \u202eright\u2066",
    "<img src=x onerror=alert(1)>",
)
SPOT = (  # a picture of 2 x 2 pixels
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNsYGBiYAAAApIAhPd8o1gAAAAASUVORK5CYII="
)
SEEN = "mark => Number(getComputedStyle(mark).opacity)"


def named(record: Record, **names: str) -> Record:
    """The same record under other names."""
    key = "/".join((*names.values(), record.key))
    return record.model_copy(update={"key": key, "cell": record.cell.model_copy(update=names)})


@pytest.fixture(scope="module")
def address(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of two tasks with controls, timings and a failure."""
    records = make.grid(METHODS, range(7))
    records += [named(record, dataset="cifar10", model="vgg11_bn:width=0.5") for record in records]
    results = gather_results("results", [*records, make.failure("l0")], [make.latency(record) for record in records])
    folder = tmp_path_factory.mktemp("page")
    write_report(make.pictures(results, ("cat", "dog"), [SPOT] * 10), folder)
    return (folder / "index.html").as_uri()


@pytest.fixture(scope="module")
def odd_address(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of results whose names break out of text, attributes and code wherever they are not escaped."""
    grid = make.grid(("magnitude", "taylor"), range(6))
    records = [*grid]
    for name in (*ODD, "very long " + 900 * "n"):
        records += [named(r, criterion=name) for r in grid if r.cell.criterion == "taylor"]
    records += [named(record, dataset=ODD[0], model=ODD[1]) for record in records]
    timings = [make.latency(r).model_copy(update={"machine": ODD[1], "key": r.key}) for r in records]
    failures = [make.failure(reason=reason) for reason in ODD[:1]]
    results = gather_results(ODD[1], [*records, *failures], timings, preset=ODD[0], command=" ".join(ODD))
    folder = tmp_path_factory.mktemp("odd")
    results = make.pictures(results, ODD)
    write_report(results, folder)
    write_report(results, folder / "fa", lang="fa")
    return (folder / "index.html").as_uri()


@pytest.fixture(scope="module")
def page(opened: Opened, address: str) -> Any:
    """The page on a desk, in light colours; tests leave it as they found it."""
    return opened(address)


@pytest.mark.parametrize("scripts", [True, False])
def test_the_page_asks_for_nothing_and_complains_of_nothing(opened: Opened, address: str, scripts: bool) -> None:
    assert opened(address, scripts=scripts).trouble == []


def test_odd_names_are_shown_and_run_nothing(opened: Opened, odd_address: str) -> None:
    page = opened(odd_address, width=390)
    assert page.trouble == [] and page.title().startswith("PruneBench report")
    assert page.locator("script").count() == 1 and page.locator("img, b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    words = page.locator(".first").inner_text()
    assert ODD[0] in words and ODD[1] in words
    for name in ODD:
        figure = page.locator("figure").first
        button = figure.locator(".legend button", has_text=name).first
        mark = button.get_attribute("data-criterion")
        marks = figure.locator(f'.panels [data-criterion~="{mark}"]')
        assert marks.count()
        button.click()
        assert all("off" in (one.get_attribute("class") or "") for one in marks.all())
        button.click()
    assert (
        len(set(page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)"))) == page.locator("[id]").count()
    )
    for link in page.locator("nav a").all():
        link.click()
    assert page.trouble == []


def test_rows_are_sorted_by_numbers_and_by_words(page: Any) -> None:
    table = page.locator("table.tools").first
    heads = table.locator("th").all_inner_texts()
    for name in ("accuracy", "criterion"):
        column = heads.index(name)
        for direction in ("ascending", "descending"):
            table.locator("th button").nth(column).click()
            assert table.locator("th").nth(column).get_attribute("aria-sort") == direction
            cells = table.locator(f"tbody tr td:nth-child({column + 1})").all_inner_texts()
            values = [float(cell.split()[0]) for cell in cells] if name == "accuracy" else cells
            assert values == sorted(values, reverse=direction == "descending")  # type: ignore[type-var]


def test_rows_are_filtered_by_every_word(page: Any) -> None:
    search = page.get_by_role("searchbox", name="filter rows").first
    rows = page.locator("table.tools").first.locator("tbody tr")
    search.fill("CIFAR10 obd")
    shown = [row.inner_text() for row in rows.all() if row.is_visible()]
    assert len(shown) == 2 and all("cifar10" in row and "obd" in row for row in shown)
    search.fill("")
    assert all(row.is_visible() for row in rows.all())


def test_a_hovered_mark_stands_out_with_its_band(page: Any) -> None:
    panels = page.locator("#figure-accuracy .panels")
    mark, other = (panels.locator(f'[data-criterion="{name}"]:not([data-band])').last for name in ("obd", "taylor"))
    band = panels.locator('[data-criterion="obd"][data-band]').first
    assert band.evaluate(SEEN) == 0
    mark.dispatch_event("mouseover")
    page.wait_for_timeout(200)
    assert band.evaluate(SEEN) > 0 and mark.evaluate(SEEN) == 1 and other.evaluate(SEEN) < 0.5
    assert band.evaluate("mark => getComputedStyle(mark).fillOpacity") == "1"  # not faint twice
    panels.dispatch_event("mouseleave")
    page.wait_for_timeout(200)
    assert band.evaluate(SEEN) == 0 and other.evaluate(SEEN) == 1


def test_without_criteria_the_figure_of_speed_is_empty(page: Any) -> None:
    figure = page.locator("#figure-speed")
    buttons = figure.locator(".legend button").all()
    names = figure.locator("text", has_text="keep ")
    assert any(one.is_visible() for one in names.all())
    for button in buttons:
        button.click()
    assert not any(one.is_visible() for one in names.all())
    assert not any(one.is_visible() for one in figure.locator(".panels [data-criterion]").all())
    for button in buttons:
        button.click()


def test_a_table_that_goes_on_shows_a_shadow(page: Any) -> None:
    scroll = page.locator("#data .scroll")
    assert scroll.evaluate("one => one.scrollWidth > one.clientWidth")
    layers = scroll.evaluate("one => getComputedStyle(one).backgroundAttachment")
    assert layers == "local, local, scroll, scroll"  # the table's own edge covers the shadow


def test_the_legend_switches_marks_off_and_on(page: Any) -> None:
    figure = page.locator("#figure-accuracy")
    button = figure.get_by_role("button", name="obd", exact=True)
    mark = figure.locator('.panels [data-criterion="obd"]:not([data-band])').first
    for pressed in ("false", "true"):
        button.click()
        assert button.get_attribute("aria-pressed") == pressed
        assert mark.evaluate("mark => getComputedStyle(mark).display != 'none'") == (pressed == "true")


def test_one_task_is_chosen(page: Any) -> None:
    page.get_by_label("Task").select_option("mnist x lenet5")
    tasks = page.locator("[data-task]:visible").evaluate_all("all => all.map(one => one.dataset.task)")
    assert set(tasks) <= {"", "mnist x lenet5"} and "mnist x lenet5" in tasks
    page.get_by_label("Task").select_option("")
    assert page.locator(".panel[data-task^=cifar10]:visible").count()


def test_the_theme_colours_page_and_figures(page: Any) -> None:
    ink = "() => getComputedStyle(document.querySelector('#figure-accuracy svg text[fill]')).fill"
    ground = "() => getComputedStyle(document.body).backgroundColor"
    button = page.locator("#theme")
    seen = {}
    for _ in range(3):
        seen[button.inner_text()] = page.evaluate(ink), page.evaluate(ground)
        button.click()
    assert len(seen) == 3 and len(set(seen.values())) == 2
    assert seen["Theme: as the system"] == seen["Theme: light"]


def test_a_command_is_copied_or_selected(page: Any) -> None:
    button = page.locator(".copy").last
    button.click()
    page.wait_for_function("one => one.textContent != 'copy'", arg=button.element_handle())
    assert button.inner_text() in ("copied", "selected")


def test_right_and_wrong_differ_by_sign_colour_and_tint(opened: Opened, address: str) -> None:
    page = opened(address)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    pictures = page.locator("#samples th img")
    assert pictures.count() == 20 and pictures.evaluate_all("all => all.every(one => one.naturalWidth === 2)")
    assert all(pictures.nth(number).get_attribute("alt") for number in range(20))
    colour = "cell => getComputedStyle(cell).color"
    signs = {kind: page.locator(f"#samples td.{kind}") for kind in ("right", "wrong")}
    assert all(text.startswith("✓ ") for text in signs["right"].all_inner_texts())
    assert all(text.startswith("✗ ") for text in signs["wrong"].all_inner_texts())
    assert signs["right"].first.evaluate(colour) != signs["wrong"].first.evaluate(colour)
    tint = "cell => getComputedStyle(cell).backgroundColor"
    many, few = (page.locator(f"#confusion td.{kind}").first.evaluate(tint) for kind in ("hit", "miss"))
    assert many != few and "rgba(0, 0, 0, 0)" not in (many, few)


def test_a_link_opens_a_folded_part(opened: Opened, address: str) -> None:
    page = opened(address)
    part = page.locator("#numbers details[id]").last
    assert not part.evaluate("one => one.open")
    page.evaluate("id => { location.hash = id }", part.get_attribute("id"))
    page.wait_for_function("one => one.open", arg=part.element_handle())
    assert opened(address + "#" + str(part.get_attribute("id"))).evaluate(
        "document.querySelectorAll('details[open]').length"
    )


def test_nothing_is_lost_without_scripts(opened: Opened, address: str) -> None:
    page = opened(address, scripts=False)
    assert [one for one in page.locator("button, select, input").all() if one.is_visible()] == []
    assert page.locator(".first li").first.is_visible() and page.locator("table.tools tbody tr").first.is_visible()
    for summary in page.locator("#numbers > details > summary").all():
        summary.click()
    assert all(table.is_visible() for table in page.locator("#numbers > details > .block table").all())


def test_a_print_holds_all_words(page: Any, tmp_path: Path) -> None:
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    cells = page.locator("td").evaluate_all("all => all.map(one => one.textContent)")
    page.pdf(path=tmp_path / "page.pdf")
    printed = "".join(one.extract_text() for one in pypdf.PdfReader(tmp_path / "page.pdf").pages)
    printed = re.sub(r"\s", "", printed)
    missing = {cell for cell in cells if re.sub(r"\s", "", cell) not in printed}
    assert not missing


@pytest.mark.parametrize(
    ("width", "colours"),
    [
        (1280, "light"),
        (390, "dark"),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
        pytest.param(390, "light", marks=pytest.mark.slow),
    ],
)
def test_everyone_can_use_it(
    opened: Opened, violations: Callable[[Any], str], address: str, width: int, colours: str
) -> None:
    page = opened(address, width, colours)
    assert violations(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_figures_are_read_on_a_phone(opened: Opened, address: str) -> None:
    page = opened(address, 390)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    sizes = page.locator("svg text").evaluate_all(
        "all => all.map(one => [parseFloat(getComputedStyle(one).fontSize), one.getScreenCTM()])"
        ".map(([size, at]) => size * Math.hypot(at.a, at.b))"
    )
    assert min(sizes) >= 10.99
    assert (
        page.locator(".panel").evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length") == 0
    )


def test_odd_names_run_nothing_in_persian_either(opened: Opened, odd_address: str) -> None:
    page = opened(odd_address.replace("index", "fa/index"), width=390)
    assert page.trouble == [] and "گزارش" in page.title()
    assert page.locator("script").count() == 1 and page.locator("img, b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    words = page.locator(".first").inner_text()
    assert all(name in words for name in ODD[:2])

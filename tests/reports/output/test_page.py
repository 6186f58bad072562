"""The page in a browser: what it shows, what its controls do, and that it needs neither a network nor scripts."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prunebench.records.record import Record
from prunebench.reports.output.writing import write_report
from prunebench.reports.results import gather_results

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

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
def browser() -> Iterator[Any]:
    """One browser for all tests here."""
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Any:
    """The page on a desk, in light colours; tests leave it as they found it."""
    return opened(browser, address)


def opened(browser: Any, address: str, width: int = 1280, colours: str = "light", scripts: bool = True) -> Any:
    """Open a page in a window of its own, which collects what goes wrong in `trouble`."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=colours, java_script_enabled=scripts
    )
    page = context.new_page()
    page.trouble = []
    page.on("console", lambda message: page.trouble.append(message.text))
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on("dialog", lambda dialog: (page.trouble.append("dialog " + dialog.message), dialog.dismiss()))
    page.on("request", lambda one: page.trouble.append(one.url) if one.url != address else None)
    page.goto(address)
    return page


@pytest.mark.parametrize("scripts", [True, False])
def test_the_page_asks_for_nothing_and_complains_of_nothing(browser: Any, address: str, scripts: bool) -> None:
    assert opened(browser, address, scripts=scripts).trouble == []


def test_odd_names_are_shown_and_run_nothing(browser: Any, odd_address: str) -> None:
    page = opened(browser, odd_address, width=390)
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


def test_right_and_wrong_differ_by_sign_colour_and_tint(browser: Any, address: str) -> None:
    page = opened(browser, address)
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


def test_a_link_opens_a_folded_part(browser: Any, address: str) -> None:
    page = opened(browser, address)
    part = page.locator("#numbers details[id]").last
    assert not part.evaluate("one => one.open")
    page.evaluate("id => { location.hash = id }", part.get_attribute("id"))
    page.wait_for_function("one => one.open", arg=part.element_handle())
    assert opened(browser, address + "#" + str(part.get_attribute("id"))).evaluate(
        "document.querySelectorAll('details[open]').length"
    )


def test_nothing_is_lost_without_scripts(browser: Any, address: str) -> None:
    page = opened(browser, address, scripts=False)
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
def test_everyone_can_use_it(browser: Any, address: str, width: int, colours: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = opened(browser, address, width, colours)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    found = axe.Axe().run(page, context={"exclude": [["svg *"]]})  # a picture is described as a whole
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_figures_are_read_on_a_phone(browser: Any, address: str) -> None:
    page = opened(browser, address, 390)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    sizes = page.locator("svg text").evaluate_all(
        "all => all.map(one => [parseFloat(getComputedStyle(one).fontSize), one.getScreenCTM()])"
        ".map(([size, at]) => size * Math.hypot(at.a, at.b))"
    )
    assert min(sizes) >= 10.99
    assert (
        page.locator(".panel").evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length") == 0
    )


# The page in Persian.


def test_odd_names_run_nothing_there_either(browser: Any, odd_address: str) -> None:
    page = opened(browser, odd_address.replace("index", "fa/index"), width=390)
    assert page.trouble == [] and "گزارش" in page.title()
    assert page.locator("script").count() == 1 and page.locator("img, b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    words = page.locator(".first").inner_text()
    assert all(name in words for name in ODD[:2])


@pytest.fixture(scope="module")
def persian_address(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of two tasks, with a failure and a demonstration's opposite: verdicts, in Persian."""
    records = make.grid(METHODS, range(7))
    records += [named(record, dataset="cifar10") for record in records]
    results = gather_results("results", [*records, make.failure("l0")], [make.latency(record) for record in records])
    folder = tmp_path_factory.mktemp("persian")
    write_report(results, folder, lang="fa")
    return (folder / "index.html").as_uri()


@pytest.fixture(scope="module")
def persian(browser: Any, persian_address: str) -> Any:
    page = opened(browser, persian_address)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    return page


def test_the_persian_page_says_what_it_is(persian: Any) -> None:
    assert persian.trouble == []
    assert persian.evaluate("[document.documentElement.lang, document.documentElement.dir]") == ["fa", "rtl"]
    labels = persian.locator(".label").all_inner_texts()
    assert "بازبینی نکرده" in labels[0] and "was not reviewed by a native reader" in labels[1]
    assert "به اندازهٔ" in persian.locator(".first li").first.inner_text()
    button = persian.locator("#theme")
    button.click()
    assert button.inner_text() == "پوسته: روشن"
    for _ in range(2):
        button.click()


def test_no_number_and_no_latin_word_stands_among_persian_ones(persian: Any) -> None:
    loose = persian.evaluate(
        """() => {
          const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const node = walker.currentNode, home = node.parentElement.closest("[dir]");
            const hidden = node.parentElement.closest("script, style");
            if (!hidden && home.dir === "rtl" && /[0-9A-Za-z]/.test(node.data)) found.push(node.data);
          }
          return found;
        }"""
    )
    assert loose == []


def test_numbers_read_from_left_to_right(persian: Any) -> None:
    broken = persian.locator("main .number, main td").evaluate_all(
        """all => all.filter(one => {
          const text = [...one.childNodes].find(node => node.nodeType === 3), places = [];
          if (!text) return false;
          for (let i = 0; i < text.length; i++) {
            const range = document.createRange();
            range.setStart(text, i), range.setEnd(text, i + 1);
            if (text.data[i].trim()) places.push(range.getBoundingClientRect().left);
          }
          return places.some((place, i) => i && place <= places[i - 1]);
        }).map(one => one.textContent)"""
    )
    assert broken == []
    assert any("[" in cell for cell in persian.locator("td").all_inner_texts())
    assert persian.locator(".number").count() > 50


def test_what_is_read_first_is_in_persian(persian: Any) -> None:
    english = persian.locator(
        'main > section:not(#numbers) [lang="en"], #how-to-read-this [lang="en"], #glossary [lang="en"]'
    )
    assert english.all_inner_texts() == []


def test_tables_and_figures_run_from_left_to_right(persian: Any) -> None:
    cells = persian.locator("table.tools tbody tr").first.locator("td")
    places = [cell.bounding_box()["x"] for cell in cells.all()]
    assert places == sorted(places)
    assert set(persian.locator(".panels, .scroll, .legend").evaluate_all("all => all.map(one => one.dir)")) == {"ltr"}


@pytest.mark.parametrize(
    ("width", "colours"), [(1280, "dark"), pytest.param(390, "light", marks=pytest.mark.slow), (390, "dark")]
)
def test_everyone_can_use_the_persian_page(browser: Any, persian_address: str, width: int, colours: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = opened(browser, persian_address, width, colours)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    found = axe.Axe().run(page, context={"exclude": [["svg *"]]})
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width

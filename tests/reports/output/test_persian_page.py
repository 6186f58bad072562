"""The page in Persian in a browser: its words, and the order in which they and the numbers among them are read."""

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from prunebench.records.prices import Growth, RepairPrice, ScorePrice
from prunebench.reports.criterion_lines import own_lines
from prunebench.reports.output.writing import write_report
from prunebench.reports.results import gather_results

Opened = Callable[..., Any]
METHODS = ("magnitude", "taylor", "l1", "l0", "l1+obd", "random", "dense_continued", "shuffle:taylor", "scratch:l1")
NAMES = "magnitude taylor l1 l0 obd random dense_continued shuffle scratch dense mnist cifar10 lenet5 conv1 fc1 cat dog"
TERMS = "local global curvature bias ms MiB MACs BN AUC"  # words without a Persian one: options, units, abbreviations
SPOT = (  # a picture of 2 x 2 pixels
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNsYGBiYAAAApIAhPd8o1gAAAAASUVORK5CYII="
)
LATIN = {*re.findall("[A-Za-z]{2,}", f"{NAMES} {TERMS}")}


@pytest.fixture(scope="module")
def persian_address(make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of two tasks and two rankings, with all that tables and figures of a run can hold, in Persian."""
    records = make.grid(METHODS, range(7)) + make.grid(("magnitude", "taylor", "random"), range(7), ranking="global")
    records += [
        record.model_copy(
            update={"key": f"cifar10-{record.key}", "cell": record.cell.model_copy(update={"dataset": "cifar10"})}
        )
        for record in records
    ]
    results = gather_results("results", [*records, make.failure("l0")], [make.latency(record) for record in records])
    cost: dict[str, Any] = {"model": "lenet5", "seconds": 1.5, "plain_seconds": 0.02, "ratio": 1.5, "pictures": 128}
    prices = (ScorePrice(criterion="obd", needs=("curvature",), **cost), ScorePrice(criterion="l1", needs=(), **cost))
    grown = {"pictures": 4.0, "plain_pictures": 4.1, "units": 7.0, "plain_units": 9.0}
    more = {
        "repair_prices": (RepairPrice(repair="bias", **cost),),
        "growth": (Growth(what="repair", name="bias", **grown), Growth(what="score", name="obd", **grown)),
    }
    folder = tmp_path_factory.mktemp("persian")
    write_report(replace(make.pictures(results, ("cat", "dog"), [SPOT] * 10), prices=prices, **more), folder, lang="fa")
    return (folder / "index.html").as_uri()


@pytest.fixture(scope="module")
def persian(opened: Opened, persian_address: str) -> Any:
    page = opened(persian_address)
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
    english = persian.locator('main > section:not(#numbers) [lang="en"], #how-to-read-this [lang="en"]')
    assert english.all_inner_texts() == []


def test_the_glossary_is_persian_but_for_the_lines_of_criteria(persian: Any) -> None:
    english = persian.locator('#glossary [lang="en"]').all_inner_texts()
    assert {text.partition(":")[0] for text in english} <= set(own_lines())
    assert all(own_lines()[text.partition(":")[0]] in text for text in english)


def test_tables_and_figures_run_from_left_to_right(persian: Any) -> None:
    cells = persian.locator("table.tools tbody tr").first.locator("td")
    places = [cell.bounding_box()["x"] for cell in cells.all()]
    assert places == sorted(places)
    assert set(persian.locator(".panels, .scroll, .legend").evaluate_all("all => all.map(one => one.dir)")) == {"ltr"}


def test_tables_and_figures_hold_no_english(persian: Any) -> None:
    texts = persian.locator("th, td, svg text, svg title, option, button").all_text_contents()
    assert {word for text in texts for word in re.findall("[A-Za-z]{2,}", text)} <= LATIN
    assert {"معیار", "حکم", "بدون نتیجهٔ قطعی", "بله", "هرس"} <= {*persian.locator("th, td").all_text_contents()}
    figures = persian.locator("svg").evaluate_all(
        "all => all.map(one => [...one.querySelectorAll('text')].map(text => text.textContent).join(' '))"
    )
    assert len(figures) > 10 and all(re.search("[\u0600-\u06ff]{2}", figure) for figure in figures)
    pictures = persian.locator("img").evaluate_all("all => all.map(one => one.alt)")
    assert pictures and all(one.startswith("تصویر") for one in pictures)


def test_texts_of_figures_read_in_their_own_direction(persian: Any) -> None:
    turned = persian.locator("svg text:not(:has(tspan)), svg tspan").evaluate_all(
        """all => all.filter(one => {
          const own = [...one.childNodes].filter(node => node.nodeType === 3);  // without the tooltip
          const text = own.map(node => node.data).join(""), at = i => one.getExtentOfChar(i).x;
          const steps = found => Math.sign(at(found.index + found[0].length - 1) - at(found.index));
          const latin = [...text.matchAll(/[-+0-9A-Za-z.,%\\[\\]_:=]{2,}/g)];
          const words = [...text.matchAll(/[\u0600-\u06ff]{2,}/g)];
          return latin.some(found => steps(found) < 0) || words.some(found => steps(found) > 0);
        }).map(one => one.textContent)"""
    )
    assert turned == []
    texts = persian.locator("svg text, svg title").evaluate_all(
        """all => all.map(one => { const own = one.cloneNode(true); own.querySelector("title")?.remove();
          return own.textContent; })"""
    )
    persian_texts = [one for one in texts if "\u2067" in one]
    outside = [re.sub("\u2066[^\u2069]*\u2069", "", one) for one in persian_texts]
    assert not [one for one in outside if re.search("[0-9A-Za-z]", one)]
    assert sum("سهم" in text for text in persian.locator("svg text").all_text_contents()) > 10


def test_rows_are_sorted_and_filtered_by_persian_words(persian: Any) -> None:
    table = persian.locator("table.tools").first
    column = table.locator("th").all_inner_texts().index("دقت")
    table.locator("th button").nth(column).click()
    cells = table.locator(f"tbody tr td:nth-child({column + 1})").all_inner_texts()
    values = [float(cell.split()[0]) for cell in cells]
    assert len(values) > 10 and values == sorted(values)
    search = persian.get_by_role("searchbox").first
    search.fill("بدون نتیجهٔ قطعی cifar10")
    shown = [row.inner_text() for row in table.locator("tbody tr").all() if row.is_visible()]
    assert shown and all("بدون نتیجهٔ قطعی" in row and "cifar10" in row for row in shown)
    search.fill("")


def test_figures_fit_a_phone(persian: Any) -> None:
    widths = persian.locator("svg").evaluate_all("all => all.map(one => one.width.baseVal.value)")
    assert max(widths) <= 360


@pytest.mark.parametrize(
    ("width", "colours"),
    [
        (1280, "dark"),
        (390, "dark"),
        pytest.param(390, "light", marks=pytest.mark.slow),
        pytest.param(1280, "light", marks=pytest.mark.slow),
    ],
)
def test_everyone_can_use_the_persian_page(
    opened: Opened, violations: Callable[[Any], str], persian_address: str, width: int, colours: str
) -> None:
    page = opened(persian_address, width, colours)
    assert violations(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") <= width

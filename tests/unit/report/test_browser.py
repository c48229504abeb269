"""The page in a real browser: drawn, without a console message, without a request, and it does what it says."""

import base64
import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import pytest
from edgebench_report.build import Built, build

from tests import locked, needs
from tests.unit.report.conftest import Maker, write_records

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
]

# Every test here opens the page in a browser.
pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium")]

Browser = Callable[..., tuple[str, list[str]]]


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """What opens a page in headless Chromium with options, and gives its output and the console's lines."""
    chromium = str(needs.program("chromium"))

    def open_page(page: Path, *options: str) -> tuple[str, list[str]]:
        done = subprocess.run(
            [
                chromium,
                *QUIET,
                f"--user-data-dir={tmp_path / 'profile'}",
                *options,
                page.resolve().as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return open_page


@pytest.fixture
def ask(browser: Browser, tmp_path: Path) -> Callable[..., Any]:
    """What runs JavaScript in a page once it is loaded, and gives what that returns."""

    def run(page: Path, code: str, library: str = "", size: str = "1280,2000") -> Any:
        script = (
            f"{library}\naddEventListener('load', async () => {{ let out; try {{ out = await (async () => {{ {code} "
            "})(); } catch (e) { out = {error: String(e)}; } const p = document.createElement('pre'); p.id = 'out'; "
            "p.textContent = JSON.stringify(out === undefined ? null : out); document.body.append(p); });"
        ).replace("</script", "<\\/script")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        text = page.read_text("utf-8").replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
        copy = tmp_path / "asked.html"
        copy.write_text(text.replace("</body>", f"<script>{script}</script></body>"), "utf-8")
        shown, console = browser(copy, f"--window-size={size}", "--virtual-time-budget=30000", "--dump-dom")
        assert console == []
        found = re.search(r'<pre id="out">(.*?)</pre>', shown, re.DOTALL)
        assert found is not None, shown[-2000:]
        words = found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ")
        return json.loads(words.replace("&amp;", "&"))

    return run


@pytest.fixture(scope="session")
def three_hosts(make: Maker, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Three hosts, one three times and one nine times as slow as the first."""
    folder = tmp_path_factory.mktemp("three")
    records = [
        record
        for seed, (host, speed) in enumerate((("fast", 1.0), ("middle", 3.0), ("slow", 9.0)))
        for record in make.suite(6, profile="paper", host=host, speed=speed, seed=seed)
    ]
    write_records(folder / "records.jsonl", records)
    return build([folder / "records.jsonl"], folder / "report")


@pytest.mark.parametrize("size", ["390,2000", "1280,2000"])
def test_the_page_opens_without_a_console_message(
    browser: Browser, mixed_report: Built, tmp_path: Path, size: str
) -> None:
    picture = tmp_path / "page.png"
    _, console = browser(mixed_report.page, f"--screenshot={picture}", f"--window-size={size}")
    assert console == []
    assert picture.stat().st_size > 40_000, "next to nothing was drawn"


def test_a_request_to_outside_would_be_refused_and_seen(
    browser: Browser, mixed_report: Built, tmp_path: Path
) -> None:
    page = tmp_path / "index.html"
    text = mixed_report.page.read_text()
    page.write_text(text.replace("</body>", '<img src="https://outside.invalid/x.png" alt=""></body>'))
    _, console = browser(page, "--dump-dom")
    assert any("Content Security Policy" in line for line in console)


def test_a_script_that_is_not_the_pages_own_would_be_refused(
    browser: Browser, mixed_report: Built, tmp_path: Path
) -> None:
    page = tmp_path / "index.html"
    text = mixed_report.page.read_text()
    page.write_text(text.replace("</body>", "<script>document.title = 'taken'</script></body>"))
    shown, console = browser(page, "--dump-dom")
    assert "<title>taken" not in shown
    assert any("Content Security Policy" in line for line in console)


_ENTRIES = "return performance.getEntriesByType('resource').map((e) => e.name)"


def test_nothing_is_asked_of_anybody(ask: Callable[..., Any], mixed_report: Built) -> None:
    assert ask(mixed_report.page, _ENTRIES) == []


def test_a_press_on_a_heading_sorts_by_numbers_with_gaps_last(
    ask: Callable[..., Any], three_hosts: Built
) -> None:
    code = """
      const table = document.querySelector('#table_4_training_time table');
      const press = table.querySelectorAll('tr.heads th')[1].querySelector('button');
      const numbers = () => [...table.tBodies[0].rows].map((r) => parseFloat(r.cells[1].textContent));
      table.tBodies[0].rows[3].cells[1].textContent = '–';
      press.click(); const up = numbers();
      const said = press.parentNode.getAttribute('aria-sort');
      press.click(); return [up, numbers(), said, press.parentNode.getAttribute('aria-sort')];
    """
    up, down, *said = ask(three_hosts.page, code)
    # What is no number is null here.
    assert (up.pop(), down.pop()) == (None, None)
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)
    assert len(up) == 7
    assert said == ["ascending", "descending"]


def test_the_baseline_can_be_chosen(ask: Callable[..., Any], three_hosts: Built) -> None:
    code = """
      const select = document.querySelector('#answer-paper select');
      const speeds = () => [...document.querySelectorAll('#answer-paper .answers td[data-line]')]
        .map((c) => [parseFloat(c.querySelector('b').textContent), c.querySelector('small').textContent]);
      const before = [select.selectedOptions[0].textContent, speeds()];
      const choose = (name) => {
        select.value = [...select.options].find((o) => o.textContent === name).value;
        select.dispatchEvent(new Event('change'));
        return [document.querySelector('#answer-paper .name').textContent, speeds()];
      };
      const overall = () => document.querySelector('#answer-paper [data-code="overall"]').textContent;
      const said = overall();
      return [before, choose('middle'), choose('slow'), choose('Frodo (2019 report)'), said, overall(),
        choose('slow'), overall()];
    """
    (host, first), (name, second), (_, again), (_, published), *texts = ask(three_hosts.page, code)
    said, of_frodo, (_, last), said_again = texts

    assert (host, name) == ("slow", "middle")
    assert all(8 < speed < 10 for speed, _ in first)
    assert all(2.7 < speed < 3.3 for speed, _ in second)
    assert again == first, "the script and the page tell the same"
    intervals = [[float(each) for each in re.findall(r"[\d.]+", said)] for _, said in first]
    assert all(len(each) == 2 and 1 < each[0] < each[1] for each in intervals)
    assert not any(re.search(r"\d", said) for _, said in published), "published medians have no interval"
    # Frodo ran out of memory in IMDB, which therefore is in no mean against it.
    assert (last, said_again) == (first, said)
    assert ("8 workloads" in said, "IMDB" in said) == (True, False)
    assert re.search(r"\b7 workloads\b.*: IMDB\.$", of_frodo)
    counted = [speed for speed, _ in published if speed is not None]
    assert counted[0] == pytest.approx(geometric_mean(counted[1:]), rel=0.01)


def test_the_colours_can_be_chosen(ask: Callable[..., Any], mixed_report: Built) -> None:
    code = """
      const button = document.getElementById('theme');
      const seen = [];
      for (let i = 0; i < 4; i++) {
        seen.push([button.textContent, getComputedStyle(document.body).backgroundColor]); button.click();
      }
      return [button.closest('p').hidden, seen];
    """
    hidden, seen = ask(mixed_report.page, code)
    assert hidden is False
    assert [name for name, _ in seen] == [
        f"Colours: {each}" for each in ("as the system", "light", "dark", "as the system")
    ]
    assert seen[1][1] == "rgb(255, 255, 255)"
    assert seen[2][1] == "rgb(22, 24, 27)"


def test_numbers_lead_to_their_records(ask: Callable[..., Any], three_hosts: Built) -> None:
    code = """
      const links = [...document.querySelectorAll('a.n')];
      const broken = links.filter((a) => !document.getElementById(a.getAttribute('href').slice(1)));
      const first = document.querySelector('.answers a.n');
      first.click();
      await new Promise((done) => setTimeout(done, 100));
      const part = document.querySelector('tbody:target');
      return [links.length, broken.length, part.rows.length, part.rows[0].textContent,
              Math.abs(part.getBoundingClientRect().top) < innerHeight];
    """
    links, broken, rows, title, is_seen = ask(three_hosts.page, code)
    assert links > 100
    assert broken == 0
    assert rows == 7
    assert title.startswith("fast · paper · MNIST Digits 1D")  # not prose
    assert is_seen


def test_energy_stands_in_the_answer_where_it_was_measured(make: Maker, tmp_path: Path) -> None:
    records = [
        make.run(repeat=each, host=host, telemetry={"phases": {"train": {"energy": {"total_j": joules}}}})
        for host, joules in (("thrifty", 40.0), ("hungry", 90.0))
        for each in range(1, 6)
    ]
    for each in records:
        each["times"]["train_s"] *= 1.0 if each["host"] == "hungry" else 2.0
    page = build([write_records(tmp_path / "r.jsonl", records)], tmp_path / "report").page.read_text("utf-8")
    assert '<td class="num">90 J<small>thrifty: 40 J</small></td>' in page  # not prose


def test_without_its_script_the_page_says_the_same(
    browser: Browser, three_hosts: Built, tmp_path: Path
) -> None:
    page = tmp_path / "plain.html"
    text = three_hosts.page.read_text("utf-8")
    page.write_text(re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL), "utf-8")
    shown, console = browser(page, "--dump-dom")
    assert console == []
    assert '<p class="tools" hidden' in shown
    assert '<strong class="name">slow</strong>' in shown


def test_the_printed_form_has_everything(browser: Browser, three_hosts: Built, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    browser(three_hosts.page, "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    content = paper.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 4


# Without pictures, Chromium has no window narrower than 500.
PHONE = "390,844"


def test_on_a_phone_the_answer_is_on_the_first_screen_before_the_notices(
    ask: Callable[..., Any], mixed_report: Built
) -> None:
    code = """
      const top = (each) => each.getBoundingClientRect().top;
      return [innerWidth, top(document.querySelector('#answer tbody tr')),
              [...document.querySelectorAll('.banner[data-code]')].map(top), document.documentElement.scrollWidth];
    """
    width, answer, notices, whole = ask(mixed_report.page, code, size=PHONE)
    assert width <= 500
    assert answer < 844
    assert len(notices) == len(mixed_report.summary.banners)
    assert answer < min(notices)
    assert whole <= width, "the page itself does not scroll sideways"


@pytest.mark.parametrize("size", [PHONE, "1280,2000"])
def test_a_table_that_goes_on_beyond_the_edge_fades_out_there(
    ask: Callable[..., Any], mixed_report: Built, tmp_path: Path, size: str
) -> None:
    page = tmp_path / "index.html"
    # Nothing is drawn here, so that what is laid out when it comes into view never is.
    page.write_text(mixed_report.page.read_text("utf-8").replace("content-visibility: auto", ""), "utf-8")
    code = """
      for (let i = 0; i < 5; i++)
        await Promise.race([new Promise(requestAnimationFrame), new Promise((done) => setTimeout(done, 1000))]);
      return [...document.querySelectorAll('.scroll')].map((each) => [
        each.scrollWidth - each.clientWidth, parseFloat(getComputedStyle(each).getPropertyValue('--fade')),
        each.tabIndex, Boolean(each.getAttribute('aria-label') || each.getAttribute('aria-labelledby'))]);
    """
    to_the_end = (
        "for (const each of document.querySelectorAll('.scroll')) each.scrollLeft = each.scrollWidth;"
    )
    first = ask(page, code, size=size)
    assert sum(beyond > 0 for beyond, *_ in first) >= (8 if size == PHONE else 1)
    assert [each for each in first if each[1] != (56 if each[0] > 0 else 0)] == []
    assert all(tab == 0 and is_named for *_, tab, is_named in first), "the arrow keys scroll it"
    assert all(fade == 0 for _, fade, *_ in ask(page, code, to_the_end, size=size))


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, out of a wheel that is checked against its hash."""
    return (locked.folder("axe") / "axe_playwright_python" / "axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    ask: Callable[..., Any], mixed_report: Built, axe: str, theme: str
) -> None:
    code = f"""
      document.documentElement.dataset.theme = '{theme}';
      const found = await axe.run(document, {{ resultTypes: ['violations'] }});
      return found.violations.map((v) => [v.impact, v.id, v.nodes.length, v.nodes[0].html.slice(0, 200)]);
    """
    assert ask(mixed_report.page, code, axe) == []

"""The site of the pages builds and needs nothing from elsewhere, and every link and file that they name is there."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pages import ALL, DOCS, PAGES, ROOT, prose


def anchors(page: Path) -> set[str]:
    """Those of a page, as a repository and the site make them of its headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower()))
    return found


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose(page))):
        if not target.startswith("http"):
            path, _, anchor = target.partition("#")
            there = page.parent / path if path else page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target


def test_the_readme_fits_on_a_few_screens_and_leads_to_every_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    linked = set(re.findall(r"\(docs/([\w-]+\.md)", text))
    assert {page.name for page in PAGES} - linked == {"index.md"}


def test_every_figure_of_the_readme_is_one_of_the_pages_of_benchmarks():
    table = (ROOT / "README.md").read_text().split("\n## Figures\n")[1].split("|---|---|---|\n")[1].split("\n\n")[0]
    pages = (DOCS / "benchmarks.md", ROOT / "benchmarks" / "faults" / "README.md")
    known = {number for page in pages for number in figures(page.read_text())}
    assert len(figures(table)) > 20
    assert [number for number in figures(table) if number not in known] == []


def figures(text: str) -> list[str]:
    """The numbers of a text, as they are written."""
    return re.findall(r"\d+(?:[.,]\d+)*", text)


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_of_the_repository_that_a_page_names_is_there(page: Path):
    folders = "benchmarks|deploy|docs|encoders|pipeline|sample_data|tests"
    named = re.findall(rf"(?<![\w/.])((?:{folders})/[\w./*-]*[\w/*])", page.read_text().replace(".{h,c}", ".h"))
    assert [name for name in named if not list(ROOT.glob(name))] == []


class Loaded(HTMLParser):
    """What a browser loads for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        loads = tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "preconnect", "modulepreload")
        self.addresses += [given.get("src") or "", (given.get("href") or "") if loads else ""]


def test_the_site_builds_without_a_broken_link_and_its_pages_load_nothing_from_elsewhere(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "--quiet", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list((tmp_path / "site").glob("*.html"))
    assert {page.with_suffix(".md").name for page in pages} == {page.name for page in PAGES} | {"404.md"}
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text())
        assert [address for address in loaded.addresses if "//" in address] == [], page.name
    assert "@import" not in "".join(path.read_text() for path in (tmp_path / "site").rglob("*.css"))


def test_the_pages_of_the_site_are_in_its_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    assert set(re.findall(r"([\w-]+\.md)", navigation)) == {page.name for page in PAGES}

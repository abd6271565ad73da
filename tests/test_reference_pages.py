"""The pages that are made from the code are what the code makes now, and leave nothing without a word."""

import importlib.util
from pathlib import Path

import pytest

from pipeline.config.settings import Secret
from pipeline.console.routes import ROUTES

DOCS = Path(__file__).parent.parent / "docs"
SPEC = importlib.util.spec_from_file_location("reference_pages", DOCS / "reference_pages.py")
assert SPEC is not None
assert SPEC.loader is not None
pages = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(pages)


@pytest.mark.parametrize("name", list(pages.PAGES))
def test_a_page_is_what_the_code_makes_it(name: str):
    assert (DOCS / name).read_text() == pages.PAGES[name](), "run: python docs/reference_pages.py"


def test_every_setting_says_what_it_does():
    silent = [
        f"{section.path}.{field.name}"
        for section in pages.sections()
        for field in section.fields
        if not field.says and pages.part_of(field.hint) is None
    ]
    assert silent == []
    assert all(pages.said_of(Secret, name) for name in ("env", "file"))


def test_every_part_of_the_configuration_and_every_route_is_on_its_page():
    text = (DOCS / "configuration.md").read_text()
    assert all(f"\n## {section.path}\n" in text for section in pages.sections() if section.path)
    text = (DOCS / "api.md").read_text()
    assert all(f"`{route.method} {route.path}`" in text for route in ROUTES)

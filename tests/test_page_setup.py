"""Changing the configuration in a real browser."""

import pytest
from plants import Plant
from playwright.sync_api import Page, expect, sync_playwright
from servers import program


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=program("chromium"), headless=True, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium):
    """Opens tabs, each of a browser of its own; whatever a page complains about fails the test."""
    problems: list[str] = []
    contexts = []

    def opened(**options: object) -> Page:
        contexts.append(chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **options}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not problems


def unlocked(page: Page, token: str) -> None:
    """The page after somebody has given this token."""
    page.locator("#begin").click()
    page.get_by_label("Token").fill(token)
    page.get_by_role("dialog").get_by_role("button", name="Unlock").click()


@pytest.mark.servers
def test_the_configuration_is_edited_checked_as_typed_saved_and_taken_over(tmp_path, tab):
    with Plant(tmp_path / "plant") as plant:
        before = plant.path.read_text()
        page = tab()
        page.goto(f"{plant.url}/#/configuration")
        page.get_by_role("link", name="Edit").click()
        unlocked(page, "a wrong token, long enough")
        expect(page.get_by_role("dialog")).to_contain_text("This is not the token.")
        expect(page.locator("#text")).to_have_count(0)
        page.get_by_label("Token").fill(plant.token)
        page.get_by_role("dialog").get_by_role("button", name="Unlock").click()
        text = page.locator("#text")
        expect(text).to_have_value(before)
        expect(page.locator("#verdict")).to_contain_text("the same as the file")
        expect(page.locator("#save")).to_be_disabled()

        text.fill(f"{before}limits: {{machins: 7}}\n")
        wrong = page.locator("#problems")
        expect(wrong).to_contain_text("limits.machins")
        expect(wrong).to_contain_text("did you mean machines?")
        expect(page.locator("#save")).to_be_disabled()
        wrong.get_by_role("button").click()
        assert text.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)") == (
            "limits: {machins: 7}"
        )

        text.fill(f"{before}limits: {{machines: 7}}\n")
        expect(page.locator("#changes .added")).to_have_text("added: + limits: {machines: 7}")
        page.locator("#save").click()
        expect(page.locator("#after")).to_contain_text("plant.yaml.1")
        assert plant.path.read_text() == f"{before}limits: {{machines: 7}}\n"
        assert plant.path.with_name("plant.yaml.1").read_text() == before
        page.locator("#restart").click()
        expect(page.locator("#machines")).to_be_attached(timeout=60_000)
        assert plant.process.poll() is None
        plant.stop()


@pytest.mark.servers
def test_two_browsers_do_not_overwrite_what_the_other_has_saved(tmp_path, tab):
    with Plant(tmp_path / "plant") as plant:
        before = plant.path.read_text()
        pages = [tab(), tab()]
        for page in pages:
            page.goto(f"{plant.url}/#/setup")
            unlocked(page, plant.token)
            expect(page.locator("#text")).to_have_value(before)
        first, second = pages
        for machines, page in enumerate(pages, 7):
            page.locator("#text").fill(f"{before}limits: {{machines: {machines}}}\n")
            expect(page.locator("#save")).to_be_enabled()
        first.locator("#save").click()
        expect(first.locator("#after")).to_contain_text("Saved")
        expect(second.locator("#elsewhere")).to_contain_text("changed by someone else")
        second.locator("#save").click()
        expect(second.locator("#toasts")).to_contain_text("not saved: the file was changed by someone else")
        assert plant.path.read_text() == f"{before}limits: {{machines: 7}}\n"

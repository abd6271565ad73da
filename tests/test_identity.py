"""The identity of a machine in an address: one address is one machine, in the API, in the browser, in `tell`."""

import json
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from plants import Plant, press
from playwright.sync_api import expect
from servers import until

from pipeline.identity import identity, machine_of
from pipeline.records import Machine

WORDS = st.text(st.one_of(st.sampled_from("ab-.%;=/?#25D&+ü \\"), st.characters(codec="utf-8")), max_size=8)
MACHINES = st.builds(
    lambda name, tags: Machine(name, tuple(sorted(tags.items()))),
    WORDS,
    st.dictionaries(WORDS, WORDS, max_size=3),
)
# As they may be in topics; each pair was one machine once.
NAMES = ("press-1", "press%2D1", "50%", "50%25", "a;b", "a=b;c", "..", "x y", "ü?&", "site=a;press")


@given(MACHINES, MACHINES)
@example(Machine("."), Machine(".."))
@example(Machine("", (("", ""),)), Machine(""))
@example(Machine("press%2D1"), Machine("press-1"))
def test_every_machine_has_an_address_and_no_two_machines_share_one(one, other):
    assert machine_of(identity(one)) == one
    assert machine_of(identity(other)) == other
    assert (identity(one) == identity(other)) == (one == other)


@given(st.text(st.sampled_from("ab.%;=2DF5c"), max_size=12))
def test_what_is_read_as_an_address_means_one_machine_and_everything_else_is_refused(text):
    try:
        machine = machine_of(text)
    except ValueError:
        return
    assert machine_of(identity(machine)) == machine


@pytest.mark.parametrize("text", ["", "50%", "a%2", "a%zz", "%ff", "a;b", "a;;b=c", "a;b=c;"])
def test_what_no_machine_is_written_as_is_no_address(text):
    with pytest.raises(ValueError, match="id"):
        machine_of(text)


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Of machines whose names have characters that mean something in an address."""
    with Plant(tmp_path_factory.mktemp("plant")) as running:
        running.settings["mqtt"]["sources"][0]["topic"] = "plant/{machine}"
        running.stop()
        running.start()
        for name in NAMES:
            running.publish(f"plant/{name}", press(20, 2))
        yield running


@pytest.fixture(scope="module")
def tab(plant, chromium):
    """The page in a browser."""
    page = chromium.new_page()
    page.goto(plant.url)
    expect(page.locator("#machines .machine")).to_have_count(len(NAMES), timeout=20_000)
    return page


def frozen(plant) -> set[str]:
    """Names of the machines that learn nothing, as each says of itself."""
    listed = plant.get("/api/machines")[1]["machines"]
    return {one["name"] for one in listed if plant.get(f"/api/machines/{one['id']}")[1]["frozen"]}


@pytest.mark.servers
def test_the_id_of_an_answer_is_an_address_that_reads_and_commands_this_machine_only(plant):
    listed = plant.get("/api/machines")[1]["machines"]
    assert {one["name"] for one in listed} == set(NAMES)
    said = {"content_type": "application/json", "authorization": f"Bearer {plant.token}"}
    for one in listed:
        path = f"/api/machines/{one['id']}"
        assert plant.get(path)[1]["name"] == one["name"]
        assert plant.get(f"{path}/rows")[0] == 200
        status, done, _ = plant.request("POST", f"{path}/command", b'{"verb": "freeze"}', **said)
        assert (status, done["points"][0]["tags"]) == (200, [["machine", one["name"]]])
        assert frozen(plant) == {one["name"]}
        assert plant.request("POST", f"{path}/command", b'{"verb": "resume"}', **said)[0] == 200
    for wrong in ("50%", "press%2", "%ff", "a;b"):
        assert plant.get(f"/api/machines/{wrong}")[0] == 400
    assert plant.get("/api/machines/press-1%3Bsite%3Da")[0] == 404
    assert plant.get("/api%2Fmachines")[0] == 404


def tell(plant, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", "tell", *arguments, "--by", "anna", "--config", str(plant.path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.servers
@pytest.mark.parametrize("name", ["press%2D1", "50%25", "a;b", "site=a;press"])
def test_tell_reaches_a_machine_by_its_name_whatever_that_is(plant, name):
    said = tell(plant, name, "freeze", "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["points"][0]["tags"] == [["machine", name]]
    assert frozen(plant) == {name}
    assert tell(plant, name, "resume").returncode == 0
    assert frozen(plant) == set()


@pytest.mark.servers
def test_tell_reaches_a_machine_by_its_id_where_no_machine_has_that_name(plant):
    assert tell(plant, "a%3Bb", "freeze").returncode == 0
    assert frozen(plant) == {"a;b"}
    assert tell(plant, "50%2525", "freeze").returncode == 0
    assert frozen(plant) == {"a;b", "50%25"}
    for name in ("a;b", "50%25"):
        assert tell(plant, name, "resume").returncode == 0


@pytest.mark.servers
def test_tell_says_which_machine_may_have_been_meant(plant, tmp_path):
    said = tell(plant, "press-01", "ack")
    assert (said.returncode, said.stderr.strip()) == (1, "no machine press-01; did you mean press-1?")
    said = tell(plant, "prss-1", "ack")
    assert (said.returncode, said.stderr.strip()) == (1, "no machine prss-1; did you mean press-1 or press%2D1?")
    said = tell(plant, "robot", "ack")
    assert (said.returncode, said.stderr.strip()) == (1, "no machine robot")


@pytest.mark.servers
def test_tell_asks_which_one_where_two_have_the_same_name(tmp_path):
    with Plant(tmp_path / "plant") as plant:
        said = tell(plant, "press-3", "ack")
        assert (said.returncode, said.stderr.strip()) == (1, "no machine press-3; there is none yet")
        plant.send("press-3", press(20, 2), site="a")
        plant.send("press-3", press(20, 2), site="b")
        listed = "/api/machines?search=press-3&limit=500&offset=0"  # an answer is given again for a second
        until(lambda: plant.get(listed)[1]["found"] == 2, "both are listed")
        said = tell(plant, "press-3", "freeze")
        assert said.returncode == 1
        assert said.stderr.strip() == ("2 machines are called press-3; say which: 'press-3;site=a', 'press-3;site=b'")
        assert tell(plant, "press-3;site=b", "freeze").returncode == 0
        assert not plant.machine("press-3", "a")["frozen"]
        assert plant.machine("press-3", "b")["frozen"]


@pytest.mark.servers
def test_the_page_commands_the_machine_that_it_shows_whatever_its_name(plant, tab):
    tab.evaluate("token => sessionStorage.setItem('spikewatch.token', token)", plant.token)
    for name in NAMES:
        tab.goto(f"{plant.url}/#/")
        tab.reload()
        tab.locator("#machines .name").get_by_text(name, exact=True).click()
        expect(tab.locator("h1")).to_have_text(name)
        tab.get_by_role("button", name="Freeze").click()
        tab.locator("dialog").get_by_role("button", name="Freeze").click()
        expect(tab.get_by_role("button", name="Resume")).to_be_visible()
        assert frozen(plant) == {name}
        tab.get_by_role("button", name="Resume").click()
        expect(tab.get_by_role("button", name="Freeze")).to_be_visible()
        assert frozen(plant) == set()


ROUND_TRIP = """async (id) => {
  const { pageOf, apiOf, placeOf } = await import("/assets/address.js");
  const link = document.createElement("a");
  link.href = pageOf(id);
  const [page, found] = placeOf(new URL(link.href).hash);
  return [page, found, new Request(apiOf(found)).url];
}"""


@pytest.mark.servers
@settings(deadline=None)
@given(MACHINES)
def test_in_the_browser_a_link_leads_to_the_machine_whatever_its_name_and_tags(plant, tab, machine):
    assume(all(value for _, value in machine.tags))  # no topic has an empty capture: in a link it stands for none
    page, found, url = tab.evaluate(ROUND_TRIP, identity(machine))
    assert (page, found) == ("machines", identity(machine))
    path = urlsplit(url).path
    assert path.startswith("/api/machines/")
    assert machine_of(path.removeprefix("/api/machines/")) == machine


@pytest.mark.servers
@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=8))
def test_what_is_typed_into_the_address_bar_is_never_cut_to_another_machine(plant, tab, typed):
    _, _, url = tab.evaluate(ROUND_TRIP, typed)
    parts = urlsplit(url)
    assert (parts.query, parts.fragment) == ("", "")
    try:
        machine = machine_of(parts.path.removeprefix("/api/machines/"))
    except ValueError:
        return
    if not machine.tags:
        assert machine.name in (typed, typed.rstrip(";"), machine_of_or_none(typed))


def machine_of_or_none(text: str) -> str | None:
    try:
        return machine_of(text).name
    except ValueError:
        return None

"""The picture of a message: a real mail server receives it, and it shows what is in the database."""

import sys
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from machines import SECOND, START
from PIL import Image, ImageColor
from plants import HEALTHY_ROWS, press
from plants import Plant as RunningPlant
from receivers import Receiver
from servers import until
from test_notify import Mails, Plant, mails, point
from test_notify_policy import BERLIN, MINUTE, RULES

from pipeline.config.settings import Channel, Secret
from pipeline.notify import picture
from pipeline.notify.news import read
from pipeline.notify.picture import Pictures
from pipeline.records import Point
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.embedded_history import EmbeddedHistory
from pipeline.sinks.history import Unavailable

__all__ = ["mails"]  # a fixture
NEWS = read(point())
TAGS = (("machine", NEWS.name), *NEWS.tags)


@pytest.fixture
def history(tmp_path: Path) -> EmbeddedHistory:
    """An hour of the machine, a row a minute: sensor and level are low, and high in the last ten minutes."""
    rows: list[Point] = []
    for minute in range(61):
        time_ns = NEWS.time_ns - (60 - minute) * MINUTE
        high = minute > 50
        fields = {"value": 9.0 if high else 2.0, "score": 0.5, "expected": 2.0, "low": 1.0, "high": 3.0}
        rows.append(Point("sensor", tuple(sorted((*TAGS, ("sensor", NEWS.cause)))), fields, time_ns))
        rows.append(Point("machine", TAGS, {"score": 0.99999 if high else 0.01, "severity": 2 * high}, time_ns))
    with closing(Embedded(tmp_path / "store.sqlite")) as store:
        store.write(rows)
    return EmbeddedHistory(tmp_path / "store.sqlite")


def plant_of(folder: Path, mails: Mails, history: EmbeddedHistory) -> Plant:
    secret = folder / "address"
    secret.write_text(mails.url)
    plant = Plant(folder, Channel("mail", url=Secret(file=str(secret))), RULES._replace(wait_ns=0))
    plant.notifier.picture = Pictures(history, BERLIN).of
    return plant


def attached(mail: Any) -> Iterator[tuple[str, bytes]]:
    for part in mail.walk():
        if part.get_content_maintype() == "image":
            yield part.get_filename(), part.get_payload(decode=True)


def rows_of(image: Image.Image, colour: str) -> dict[int, tuple[int, int]]:
    """The highest and lowest row with that colour, by column."""
    of_colour = (np.asarray(image) == ImageColor.getrgb(colour)).all(axis=2)
    found = {x: np.flatnonzero(of_colour[:, x]) for x in np.flatnonzero(of_colour.any(axis=0)).tolist()}
    return {x: (int(rows.min()), int(rows.max())) for x, rows in found.items()}


def test_a_mail_about_an_incident_has_a_picture_of_the_last_hour(
    tmp_path: Path, mails: Mails, history: EmbeddedHistory
) -> None:
    plant_of(tmp_path, mails, history).commit(point())
    [mail] = mails.got
    [(name, content)] = attached(mail)
    assert name == "last-hour.png"
    assert len(content) < 20_000
    image = Image.open(BytesIO(content))
    assert (image.format, image.size) == ("PNG", (picture.WIDTH, picture.HEIGHT))
    image = image.convert("RGB")
    value, level, band = (rows_of(image, colour) for colour in (picture.VALUE, picture.LEVEL, picture.BAND))
    left, right = picture.LEFT + 20, picture.WIDTH - picture.RIGHT - 20
    assert value[left][0] > value[right][0] + 50, "the sensor rose"
    assert level[left][0] > level[right][0] + 50, "and so did the level"
    assert band[left][0] < value[left][0] <= value[left][1] < band[left][1], "it was within its band"
    assert value[right][1] < band[right][0], "and is above it"
    assert max(one[1] for one in value.values()) < min(one[0] for one in level.values()), "one below the other"
    text = next(part for part in mail.walk() if part.get_content_type() == "text/plain")
    assert "press-1" in text.get_payload(decode=True).decode()


@pytest.mark.parametrize("lacks", ["database", "rows", "library"])
def test_without_database_rows_or_library_the_mail_goes_all_the_same(
    lacks: str,
    tmp_path: Path,
    mails: Mails,
    history: EmbeddedHistory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if lacks == "database":
        history = EmbeddedHistory(tmp_path / "nowhere" / "store.sqlite")
    if lacks == "library":
        monkeypatch.setitem(sys.modules, "PIL", None)
    plant = plant_of(tmp_path, mails, history)
    other = {"machine": "press-9"} if lacks == "rows" else {}
    plant.commit(point(**other))
    plant.commit(point(phase="close", reason="calm", **other))
    plant.later(2 * MINUTE)
    assert [list(attached(mail)) for mail in mails.got] == [[], []]
    assert caplog.text.count("notify.no_picture") == (lacks != "rows"), "and it is said once"


def test_a_database_that_is_away_is_not_asked_for_every_message(tmp_path: Path) -> None:
    now_s, asked = 0.0, []

    class Counted(EmbeddedHistory):
        def course(self, question: Any) -> Any:
            asked.append(now_s)
            return super().course(question)

    pictures = Pictures(Counted(tmp_path / "nowhere" / "store.sqlite"), BERLIN, lambda: now_s)
    with pytest.raises(Unavailable):
        pictures.of(NEWS)
    now_s = 59.0
    assert pictures.of(NEWS) is None
    now_s = 61.0
    with pytest.raises(Unavailable):
        pictures.of(NEWS)
    assert asked == [0.0, 61.0]


def test_what_was_refused_is_sent_again_without_its_picture(
    tmp_path: Path, mails: Mails, history: EmbeddedHistory
) -> None:
    plant = plant_of(tmp_path, mails, history)
    mails.refuses = True
    plant.commit(point())
    mails.refuses = False
    plant.later(2 * MINUTE)
    [mail] = mails.got
    assert list(attached(mail)) == []


def test_a_webhook_is_sent_json_and_no_picture_is_drawn_for_it(tmp_path: Path, receiver: Receiver) -> None:
    plant = Plant(tmp_path, Channel("hook", webhook=receiver.url), RULES._replace(wait_ns=0))
    drawn: list[Any] = []
    plant.notifier.picture = drawn.append  # type: ignore[assignment]
    plant.commit(point())
    [(headers, content)] = receiver.got
    assert headers["content-type"] == "application/json"
    assert content["machines"] == 1
    assert drawn == []


@pytest.mark.servers
def test_a_running_service_draws_from_its_own_database(tmp_path: Path, mails: Mails) -> None:
    secret = tmp_path / "address"
    secret.write_text(mails.url)
    channel = {
        "name": "mail",
        "url": {"file": str(secret)},
        "digest": {"wait": "0s"},
        "cooldown": "0s",
        "events": ["opening"],
    }
    table = press(HEALTHY_ROWS + 150, 2, fault=8.0)
    with RunningPlant(tmp_path / "plant", notify=[channel]) as plant:

        def stored(machine: str) -> int:
            begin_s = START // SECOND
            course = f"/api/machines/{machine};site=a/history?sensor=s1&from={begin_s}&to={begin_s + HEALTHY_ROWS}"
            found = plant.get(course)[1]
            return len([one for one in found["sensors"]["s1"]["points"] if one]) if "sensors" in found else 0

        def pictures() -> list[Image.Image]:
            found = [content for mail in mails.got for _, content in attached(mail)]
            return [Image.open(BytesIO(content)).convert("RGB") for content in found]

        def shown(colour: str) -> int:
            return max((len(rows_of(image, colour)) for image in pictures()), default=0)

        def breaks(machine: str) -> int:
            """Mails so far, when it has been well for long, and then not."""
            told, enough = len(mails.got), HEALTHY_ROWS // 60
            plant.send(machine, table[:HEALTHY_ROWS])
            until(lambda: stored(machine) >= enough, "what was healthy is in the store, a point a minute")
            until(lambda: len(mails.got) > told, "what was odd before the machine was known is told")
            plant.send(machine, table[HEALTHY_ROWS:], HEALTHY_ROWS)
            return told + 1

        for machine in ("press-1", "press-2", "press-3"):  # a mail that had to be sent again goes without a picture
            before = breaks(machine)
            until(lambda before=before: len(mails.got) > before, "the fault is told", 60)  # type: ignore[misc]
            if shown(picture.VALUE) > 100:
                break
        assert shown(picture.VALUE) > 100, "the sensor, for more than ten minutes"
        assert shown(picture.LEVEL) > 100

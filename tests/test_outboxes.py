"""Several outboxes in one journal: one transaction, and otherwise nothing in common."""

import sqlite3
from collections import Counter

import pytest
from test_storage import SECOND, START, points, readings

from pipeline.records import Machine, Point
from pipeline.sinks import Unreachable
from pipeline.sinks.delivery import Delivery
from pipeline.storage.inspection import findings, stats
from pipeline.storage.journal import Dead, Journal
from pipeline.storage.journal_file import insert, pack, pack_points, schema_of
from pipeline.storage.outbox import Bound, Outbox, Posting
from pipeline.storage.progress import Progress

DAY = 86_400 * SECOND


def journal_at(tmp_path, upstream=Bound(1 << 20), **options):  # noqa: B008
    others = {} if upstream is None else {"upstream": upstream}
    return Journal(tmp_path / "journal.sqlite", others=others, **options)


def waiting(tmp_path, name):
    outbox = Outbox(tmp_path / "journal.sqlite", name)
    try:
        return [point for _, batch in outbox.peek(0, 10**9) for point in batch]
    finally:
        outbox.close()


def times(some):
    return [point.time_ns for point in some]


def upstream_of(journal):
    return journal.outboxes["upstream"].figures


def test_what_is_posted_to_two_outboxes_is_in_both_or_in_none(tmp_path):
    journal = journal_at(tmp_path)
    also = {"upstream": Posting([(1, points(2, 50))])}
    journal.commit(readings(), points=points(), others=also)
    with pytest.raises(sqlite3.IntegrityError):
        journal.commit(readings(), [], [(0, 0, "a"), (0, 0, "again")], points(5, 10), others=also)
    assert (journal.figures.waiting, upstream_of(journal).waiting, upstream_of(journal).accepted) == (3, 2, 2)
    journal.close()
    assert waiting(tmp_path, "outbox") == points()
    assert waiting(tmp_path, "upstream") == points(2, 50)
    assert list(findings(tmp_path)) == []


def test_a_journal_of_version_3_is_brought_to_this_one_without_loss(tmp_path):
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    for statement in schema_of(3).values():
        database.execute(statement)
    insert(database, "machines", (0, "press-1", '[["site","north"]]'))
    insert(database, "lines", (0, 0, "a"))
    insert(database, "readings", (1, 0, pack(readings(1))))
    insert(database, "commits", (1, b"seen", START))
    insert(database, "kept", (1, "key", b"known"))
    insert(database, "outbox", (7, 3, pack_points(points())[0]))
    insert(database, "dead", (1, "bad", "machine", b"{}"))
    database.execute("PRAGMA user_version = 3")
    database.commit()
    database.close()
    journal = journal_at(tmp_path)
    assert journal.machines() == {0: Machine("press-1", (("site", "north"),))}
    assert journal.lines() == {0: (0, "a")}
    assert [number for number, _ in journal.replay(0)] == [1]
    assert (journal.seen(), journal.arrived_ns(), journal.kept()) == ([b"seen"], START, {"key": b"known"})
    assert journal.dead() == [Dead("bad", "machine", b"{}")]
    assert (journal.figures.waiting, upstream_of(journal).waiting) == (3, 0)
    journal.commit(readings(1), points=points(1, 9), others={"upstream": Posting([(0, points(1))])})
    journal.close()
    assert waiting(tmp_path, "outbox") == points() + points(1, 9)
    assert waiting(tmp_path, "upstream") == points(1)
    assert list(findings(tmp_path)) == []
    assert not list(tmp_path.glob("*corrupt*"))


def test_a_full_outbox_sheds_its_lowest_rank_first_and_no_other_outbox(tmp_path):
    journal = journal_at(tmp_path, Bound(3_000))
    for number in range(40):
        ranked = [(0, points(1, number, "low")), *([(1, points(1, number, "high"))] if number < 10 else [])]
        journal.commit(None, points=points(1, number), others={"upstream": Posting(ranked)})
        assert upstream_of(journal).waiting_bytes <= 3_000
    left = waiting(tmp_path, "upstream")
    assert Counter(dict(point.tags)["machine"] for point in left)["high"] == 10
    low = [point.time_ns for point in left if ("machine", "low") in point.tags]
    assert low == times(points(40)[-len(low) :]), "the newest are there"
    assert 0 < upstream_of(journal).dropped == upstream_of(journal).accepted - len(left)
    assert (journal.figures.waiting, journal.figures.dropped) == (40, 0)
    for number in range(40, 80):  # where there is nothing else, the oldest of the next rank
        journal.commit(None, others={"upstream": Posting([(1, points(1, number, "high"))])})
    left = waiting(tmp_path, "upstream")
    assert times(left) == times(points(80)[-len(left) :])
    journal.close()


def test_what_was_offered_is_shed_in_no_outbox(tmp_path):
    journal = journal_at(tmp_path, Bound(500))
    for number in range(10):
        posting = Posting([(0, points(1, number))], Progress(offered=((0, 2),)))
        journal.commit(None, others={"upstream": posting})
    assert times(waiting(tmp_path, "upstream")[:2]) == times(points(2))
    assert upstream_of(journal).dropped > 0
    journal.close()


def test_what_is_older_than_an_outbox_keeps_it_leaves_counted(tmp_path, caplog):
    journal = journal_at(tmp_path, Bound(1 << 20, 30 * DAY))
    for day in range(40):
        journal.commit(None, arrived_ns=START + day * DAY, others={"upstream": Posting([(1, points(1, day))])})
    journal.commit(None, others={"upstream": Posting([(1, points(1, 40))])})  # of a batch without messages
    assert times(waiting(tmp_path, "upstream")) == times(points(41)[9:])
    assert upstream_of(journal).dropped == 9
    assert [text for text in caplog.messages if "upstream" in text] == [
        text for text in caplog.messages if "policy=drop_aged" in text
    ]
    journal.close()


def test_an_outbox_that_is_not_configured_any_more_waits_is_named_and_goes_before_others_where_the_disk_is_full(
    tmp_path, caplog
):
    journal = journal_at(tmp_path)
    journal.commit(None, points=points(5), others={"upstream": Posting([(1, points(4))])})
    journal.close()
    without = journal_at(tmp_path, None)
    assert "outbox.not_configured name=upstream points=4" in caplog.text
    without.commit(None, points=points(5, 5))
    without.salvage("to see whether it comes along")
    assert stats(tmp_path, 0).other_outboxes["upstream"][::2] == (4, START)
    assert without.make_room(0, Progress(), [])
    assert (without.figures.dropped, without.figures.waiting) == (0, 10)
    assert "upstream.dropped points=4" in caplog.text
    without.close()
    again = journal_at(tmp_path)
    assert upstream_of(again).waiting == 0
    again.close()


def test_a_full_disk_takes_nothing_of_a_small_outbox_while_a_large_one_can_give(tmp_path):
    journal = journal_at(tmp_path)
    for number in range(3):
        journal.commit(None, others={"upstream": Posting([(2, points(1, number))])})
    for number in range(50):
        journal.commit(None, points=points(100, 100 * number))
    for _ in range(5):
        assert journal.make_room(0, Progress(), [], {"upstream": Posting()})
    assert journal.figures.dropped > 0
    assert upstream_of(journal).dropped == 0
    offered = Progress(offered=((0, 50),))  # it may be stored already, so nobody could say what is missing
    assert journal.make_room(0, offered, [], {"upstream": Posting()})
    assert upstream_of(journal).dropped == 1
    journal.close()


def test_a_damaged_file_takes_no_outbox_with_it(tmp_path):
    journal = journal_at(tmp_path)
    for number in range(4):
        journal.commit(None, points=points(1, number), others={"upstream": Posting([(1, points(2, number))])})
    journal._database.execute("UPDATE upstream SET rank = 0 WHERE id = 3")  # which its checksum does not say
    posting = Posting(progress=Progress(done=((0, 1),), points=2))
    journal.salvage("a row fails its checksum", others={"upstream": posting})
    assert waiting(tmp_path, "upstream") == points(2, 1) + points(2, 3)
    assert (upstream_of(journal).waiting, upstream_of(journal).dropped, journal.figures.waiting) == (4, 2, 4)
    journal.commit(None, others={"upstream": Posting([(1, points(1, 9))])})
    assert waiting(tmp_path, "upstream")[-1:] == points(1, 9)
    journal.close()


class Stored:
    def __init__(self):
        self.stored: list[Point] = []
        self.away = False

    def write(self, batch):
        if self.away:
            raise Unreachable("away")
        self.stored += batch

    def close(self):
        pass


def test_each_outbox_has_a_delivery_of_its_own_and_waits_for_no_other(tmp_path):
    journal = journal_at(tmp_path)
    database, upstream = Stored(), Stored()
    upstream.away = True
    first = Delivery(journal.path, database, lambda reason, point: None)
    second = Delivery(journal.path, upstream, lambda reason, point: None, name="upstream")
    for number in range(5):
        journal.commit(
            None,
            points=points(2, 2 * number),
            progress=first.progress,
            others={"upstream": Posting([(1, points(1, number))], second.progress)},
        )
        first.step()
        assert second.step() > 0.0
    journal.commit(None, progress=first.progress, others={"upstream": Posting(progress=second.progress)})
    assert times(database.stored) == times(points(10))
    assert (journal.figures.waiting, upstream_of(journal).waiting) == (0, 5)
    first.close()
    second.close()
    upstream.away = False
    again = Delivery(journal.path, upstream, lambda reason, point: None, name="upstream")
    assert again.progress.offered, "what an earlier life has offered is known by outbox"
    again.step()
    journal.commit(None, others={"upstream": Posting(progress=again.progress)})
    assert times(upstream.stored) == times(points(5))
    assert upstream_of(journal).waiting == 0
    again.close()
    journal.close()

"""What a channel is told, and when: time is passed in, nothing is sent."""

from collections import Counter
from datetime import datetime, time
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pipeline.notify.news import News, Trouble, changes
from pipeline.notify.policy import SUPPRESSED, Key, Message, Policy, Rules, Standing
from pipeline.notify.quiet import Hours, quiet_until

S, MINUTE, HOUR = 10**9, 60 * 10**9, 3600 * 10**9
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Hours(time(22), time(6), range(7), BERLIN, critical_too=False)
ALL = frozenset({"opening", "rising", "closing", "silence", "service"})
RULES = Rules("fitters", 1, ALL, "*", (), 30 * MINUTE, 60 * S, 5, 0, 5 * MINUTE, None)


def at(text: str) -> int:
    """A time of the clock in Berlin."""
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * S


NOON = at("2026-03-02T12:00")


def incident(
    machine: str = "press-1", severity: int = 1, number: int = 1, began_ns: int = NOON, **more: object
) -> News:
    known: dict[str, object] = {
        "time_ns": began_ns,
        "cause": "flow",
        "why": "flow 3.2 l/min, below the expected 4.0 to 4.4",
    }
    return News("incident", machine, (("site", "north"),), number, began_ns, severity=severity, **{**known, **more})  # type: ignore[arg-type]


def silence(machine: str = "press-1", began_ns: int = NOON, over: bool = False) -> News:
    return News("silence", machine, (("site", "north"),), 0, began_ns, began_ns + over * MINUTE, 1, over)


def told(policy: Policy, now_ns: int) -> list[Message]:
    """What is sent at a time, and arrives."""
    policy.form(now_ns)
    found = list(policy.unsent)
    for message in found:
        policy.sent(message)
    return found


def said(messages: list[Message]) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    return [(one.kind, [(item.news.name, item.first, item.news.over) for item in one.items]) for one in messages]


def test_an_incident_is_told_when_it_opens_rises_and_closes() -> None:
    policy = Policy(RULES)
    policy.take(incident(), NOON)
    assert told(policy, NOON + 59 * S) == []
    assert said(told(policy, NOON + 60 * S)) == [("single", [("press-1", "opening", False)])]
    policy.take(incident(severity=2, time_ns=NOON + 2 * MINUTE), NOON + 2 * MINUTE)
    assert said(told(policy, NOON + 3 * MINUTE)) == [("single", [("press-1", "rising", False)])]
    policy.take(incident(severity=2, over=True), NOON + 10 * MINUTE)
    assert said(told(policy, NOON + 11 * MINUTE)) == [("single", [("press-1", "closing", True)])]
    assert policy.counts == {"events": 3, "told": 3, "messages": 3}


def test_what_is_heard_twice_is_told_once() -> None:
    policy = Policy(RULES)
    for news in 2 * [incident()] + 2 * [incident(severity=2)]:
        policy.take(news, NOON)
    told(policy, NOON + MINUTE)
    for news in 2 * [incident(severity=2, over=True)] + [incident(severity=2), incident(severity=2, over=True)]:
        policy.take(news, NOON + HOUR)
    told(policy, NOON + 2 * HOUR)
    assert policy.counts == {"events": 3, "told": 3, "messages": 2}


def test_two_hundred_machines_at_once_are_one_message() -> None:
    policy = Policy(RULES)
    for number in range(200):
        policy.take(incident(f"press-{number}", severity=1 + number % 2), NOON + number * S // 10)
    [message] = told(policy, NOON + MINUTE)
    assert (message.kind, message.machines, message.matters, message.events) == ("digest", 200, 200, 200)
    assert [item.news.severity for item in message.items[:100]] == 100 * [2]
    assert policy.counts["digested"] == 200


def test_a_machine_called_service_is_a_machine() -> None:
    policy = Policy(RULES)
    policy.take(News("incident", "service", (), 1, NOON, NOON, 1), NOON)
    [message] = told(policy, NOON + MINUTE)
    assert message.machines == 1


def test_few_machines_have_a_message_each() -> None:
    policy = Policy(RULES)
    for number in range(4):
        policy.take(incident(f"press-{number}"), NOON)
    assert len(told(policy, NOON + MINUTE)) == 4


def test_what_was_not_told_ends_unheard() -> None:
    policy = Policy(RULES._replace(severity=2))
    policy.take(incident(), NOON)
    policy.take(incident(over=True), NOON + MINUTE)
    policy.take(incident("press-2", over=True, severity=2), NOON)  # begun before there was this channel
    assert told(policy, NOON + HOUR) == []
    assert policy.counts == {"events": 3, "suppressed_severity": 2, "suppressed_untold": 1}


def test_to_a_channel_for_what_is_critical_an_incident_opens_when_it_becomes_critical() -> None:
    policy = Policy(RULES._replace(severity=2, events=frozenset({"opening", "closing"})))
    policy.take(incident(), NOON)
    policy.take(incident(severity=2), NOON + HOUR)
    assert said(told(policy, NOON + 2 * HOUR)) == [("single", [("press-1", "opening", False)])]


def test_a_channel_is_told_only_of_its_machines_and_events() -> None:
    policy = Policy(RULES._replace(machines="press-*", captures=(("site", "n*"),), events=frozenset({"opening"})))
    policy.take(incident("lathe-1"), NOON)
    policy.take(News("incident", "press-2", (("site", "south"),), 1, NOON, NOON, 1), NOON)
    policy.take(silence("press-3"), NOON)
    policy.take(incident("press-4"), NOON)
    assert said(told(policy, NOON + HOUR)) == [("single", [("press-4", "opening", False)])]
    suppressed = {f"suppressed_{rule}": 1 for rule in ("machines", "captures", "events")}
    assert policy.counts == {"events": 4, **suppressed, "told": 1, "messages": 1}


def test_an_acknowledged_incident_is_quiet_until_its_end() -> None:
    policy = Policy(RULES)
    policy.take(incident(), NOON)
    told(policy, NOON + MINUTE)
    policy.take(incident(acknowledged=True), NOON + 2 * MINUTE)
    policy.take(incident(severity=2, acknowledged=True), NOON + 3 * MINUTE)
    assert told(policy, NOON + HOUR) == []
    policy.take(incident(severity=2, acknowledged=True, over=True), NOON + 2 * HOUR)
    assert said(told(policy, NOON + 3 * HOUR)) == [("single", [("press-1", "closing", True)])]
    assert policy.counts["suppressed_acknowledged"] == 1


def test_an_incident_acknowledged_before_it_was_told_is_not_told() -> None:
    policy = Policy(RULES)
    policy.take(incident(), NOON)
    policy.take(incident(acknowledged=True), NOON + S)
    assert told(policy, NOON + HOUR) == []
    assert policy.counts == {"events": 1, "suppressed_acknowledged": 1}


def test_an_incident_is_told_again_when_its_snooze_is_over() -> None:
    policy = Policy(RULES)
    policy.take(incident(), NOON)
    told(policy, NOON + MINUTE)
    policy.take(incident(acknowledged=True), NOON + 2 * MINUTE)
    policy.take(incident(time_ns=NOON + HOUR), NOON + HOUR)
    assert said(told(policy, NOON + 2 * HOUR)) == [("single", [("press-1", "reminder", False)])]


def test_an_open_incident_that_nobody_acknowledges_is_told_again() -> None:
    policy = Policy(RULES._replace(reminder_ns=4 * HOUR))
    policy.take(incident(), NOON)
    assert len(told(policy, NOON + MINUTE)) == 1
    assert told(policy, NOON + 4 * HOUR) == []
    assert said(told(policy, NOON + 5 * HOUR)) == [("single", [("press-1", "reminder", False)])]
    policy.take(incident(acknowledged=True), NOON + 6 * HOUR)
    assert told(policy, NOON + 10 * HOUR) == []


def test_a_machine_that_was_told_of_is_told_again_after_the_cooldown_and_all_that_was_meanwhile() -> None:
    policy = Policy(RULES)
    policy.take(incident(), NOON)
    told(policy, NOON + MINUTE)
    policy.take(incident(over=True), NOON + 2 * MINUTE)
    assert len(told(policy, NOON + 3 * MINUTE)) == 1  # an end is not held
    for number in (2, 3):
        began = NOON + number * 4 * MINUTE
        policy.take(incident(number=number, began_ns=began), began)
        policy.take(incident(number=number, began_ns=began, over=number == 2), began + MINUTE)
    assert told(policy, NOON + 32 * MINUTE) == []
    assert said(told(policy, NOON + 34 * MINUTE)) == [
        ("single", [("press-1", "opening", False), ("press-1", "opening", True)])
    ]


def test_what_is_more_severe_waits_for_no_cooldown() -> None:
    policy = Policy(RULES)
    policy.take(incident(), NOON)
    told(policy, NOON + MINUTE)
    policy.take(incident(over=True), NOON + 2 * MINUTE)
    policy.take(incident(number=2, began_ns=NOON + 3 * MINUTE, severity=2), NOON + 3 * MINUTE)
    assert len(told(policy, NOON + 5 * MINUTE)) == 1


def test_quiet_hours_end_in_one_message_that_says_what_is_over() -> None:
    policy = Policy(RULES._replace(quiet=NIGHT))
    evening, morning = at("2026-03-02T23:00"), at("2026-03-03T06:00")
    policy.take(incident(began_ns=evening), evening)
    policy.take(incident("press-2", began_ns=evening), evening)
    policy.take(incident("press-3", began_ns=evening, severity=2), evening)
    assert said(told(policy, evening + MINUTE)) == [("single", [("press-3", "opening", False)])]
    policy.take(incident("press-2", began_ns=evening, over=True), evening + HOUR)
    assert told(policy, morning - S) == []
    assert said(told(policy, morning)) == [("summary", [("press-1", "opening", False), ("press-2", "opening", True)])]


def test_quiet_hours_go_by_the_clock_on_the_wall() -> None:
    assert quiet_until(NIGHT, at("2026-03-02T21:59:59")) == 0
    assert quiet_until(NIGHT, at("2026-03-02T22:00")) == at("2026-03-03T06:00")
    assert quiet_until(NIGHT, at("2026-03-03T05:59:59")) == at("2026-03-03T06:00")
    assert quiet_until(NIGHT, at("2026-03-03T06:00")) == 0
    spring = at("2026-03-28T23:00")  # the clock goes forward that night
    assert quiet_until(NIGHT, spring) - spring == 6 * HOUR
    weekdays = NIGHT._replace(days=range(5))
    assert quiet_until(weekdays, at("2026-03-07T03:00")) == at("2026-03-07T06:00")  # Friday's night
    assert quiet_until(weekdays, at("2026-03-07T23:00")) == 0
    lunch = Hours(time(12), time(13), range(7), BERLIN, critical_too=True)
    assert quiet_until(lunch, at("2026-03-07T12:30")) == at("2026-03-07T13:00")


def test_after_an_outage_a_channel_is_told_how_things_stand_and_what_was() -> None:
    policy = Policy(RULES)
    policy.take(incident("press-0"), NOON)
    policy.form(NOON + MINUTE)  # and does not arrive
    for minute in range(2, 122):
        now = NOON + minute * MINUTE
        policy.take(incident(f"press-{minute}", began_ns=now), now)
        policy.take(incident(f"press-{minute}", began_ns=now, over=minute % 2 == 0), now + S)
        policy.form(now)
    [before] = policy.unsent
    policy.sent(before)
    [message] = told(policy, NOON + 2 * HOUR + 2 * MINUTE)
    assert (message.kind, message.machines, message.events) == ("digest", 120, 180)
    assert policy.waiting == 0
    assert policy.counts["events"] == policy.counts["told"] + policy.counts["digested"] == 181


def test_silences_while_the_broker_is_away_are_not_told_unless_they_last() -> None:
    policy, known = Policy(RULES), {}
    away = [Trouble("broker", NOON, "connection refused", 2)]
    for news in changes(known, away, NOON):
        policy.take(news, NOON)
    for number in range(3):
        policy.take(silence(f"press-{number}", NOON + MINUTE), NOON + MINUTE)
    assert [[item.news.about for item in one.items] for one in told(policy, NOON + 5 * MINUTE)] == [["service"]]
    for news in changes(known, [], NOON + HOUR):
        policy.take(news, NOON + HOUR)
    policy.take(silence("press-0", NOON + MINUTE, over=True), NOON + HOUR + S)
    policy.take(silence("press-1", NOON + MINUTE, over=True), NOON + HOUR + S)
    names = [[item.news.name for item in one.items] for one in told(policy, NOON + HOUR + 3 * MINUTE)]
    assert names == [["press-2"], ["broker"]]
    assert policy.counts["suppressed_broker"] == 4


def test_trouble_of_the_service_that_is_soon_over_is_not_told() -> None:
    policy, known = Policy(RULES), {}
    for now, troubles in ((NOON, [Trouble("database", NOON, "", 1)]), (NOON + 4 * MINUTE, [])):
        for news in changes(known, troubles, now):
            policy.take(news, now)
    assert told(policy, NOON + HOUR) == []
    assert policy.counts == {"events": 2, "suppressed_brief": 2}


def test_a_clock_that_is_set_back_holds_nothing() -> None:
    policy = Policy(RULES)
    policy.take(incident(), NOON)
    assert len(told(policy, NOON - 24 * HOUR)) == 1


def test_a_message_that_did_not_arrive_for_a_day_is_given_up() -> None:
    policy = Policy(RULES)
    policy.take(incident(), NOON)
    policy.take(incident(over=True), NOON)
    policy.form(NOON + MINUTE)
    assert policy.give_up(NOON + 23 * HOUR) == []
    assert len(policy.give_up(NOON + 25 * HOUR)) == 1
    assert policy.counts == {"events": 2, "given_up": 2}


def test_a_channel_that_is_back_after_days_is_told_what_is_still_open() -> None:
    policy = Policy(RULES)
    policy.take(incident("press-1"), NOON)
    policy.take(incident("press-2"), NOON)
    now = NOON
    for _ in range(80):
        now += HOUR
        policy.give_up(now)
        policy.form(now)
        if now == NOON + 10 * HOUR:
            policy.take(incident("press-2", over=True), now)
    [message] = policy.unsent
    assert [(item.news.name, item.first) for item in message.items] == [("press-1", "opening")]
    policy.sent(message)
    policy.form(now + HOUR)
    assert policy.unsent == []
    assert policy.counts == {"events": 3, "given_up": 2, "messages": 1, "told": 1}


def test_a_message_that_is_never_taken_holds_up_the_others_once() -> None:
    policy, now, arrived = Policy(RULES), NOON, []
    for name in ("press-1", "press-2", "press-3"):
        policy.take(incident(name), NOON)
    for _ in range(80):
        now += HOUR
        policy.give_up(now)
        policy.form(now)
        while policy.unsent and policy.unsent[0].items[0].news.name != "press-1":  # in order, until one is not taken
            arrived.append((policy.unsent[0].items[0].news.name, now - NOON))
            policy.sent(policy.unsent[0])
    assert sorted(name for name, _ in arrived) == ["press-2", "press-3"]
    assert all(after < 27 * HOUR for _, after in arrived)
    assert policy.counts["given_up"] == 1


def test_a_machine_that_flaps_for_days_takes_no_more_room() -> None:
    policy = Policy(RULES._replace(quiet=Hours(time(0), time(23, 59), range(7), BERLIN, critical_too=True)))
    for number in range(1, 201):
        began = NOON + number * S
        policy.take(incident(number=number, began_ns=began), began)
        policy.take(incident(number=number, began_ns=began, over=True), began)
    assert policy.waiting == 20
    assert policy.counts == {"events": 400, "dropped": 380}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["open", "rise", "ack", "wake", "close", "silent", "heard", "broker", "back", "form", "restart"]
        ),
        st.integers(0, 5),
        st.integers(0, 2 * 3600),
    ),
    max_size=60,
)
ANY_RULES = st.builds(
    RULES._replace,
    severity=st.integers(1, 2),
    events=st.frozensets(st.sampled_from(sorted(ALL)), min_size=1),
    machines=st.sampled_from(["*", "press-[0-2]"]),
    cooldown_ns=st.sampled_from([0, 30 * MINUTE]),
    wait_ns=st.sampled_from([0, MINUTE]),
    from_machines=st.integers(1, 3),
    reminder_ns=st.sampled_from([0, HOUR]),
    quiet=st.sampled_from([None, NIGHT]),
)


def restarted(policy: Policy) -> Policy:
    """The same after it was written down and read again."""
    kept = msgspec.json.decode(
        msgspec.json.encode([(list(key), one) for key, one in policy.standings.items()]),
        type=list[tuple[Key, Standing]],
    )
    unsent = msgspec.json.decode(msgspec.json.encode(policy.unsent), type=list[Message])
    again = Policy(policy.rules, dict(kept), unsent)
    again.counts = Counter(policy.counts)
    return again


@given(rules=ANY_RULES, steps=STEPS, arrives=st.lists(st.booleans(), min_size=60, max_size=60))
def test_every_happening_is_told_or_waits_or_was_suppressed_by_a_named_rule(
    rules: Rules, steps: list[tuple[str, int, int]], arrives: list[bool]
) -> None:
    policy, now, known = Policy(rules), NOON, {}
    newest: dict[str, News] = {}
    ids: list[str] = []
    for (what, number, passed), arrived in zip(steps, arrives, strict=False):
        now += passed * S
        machine = f"press-{number}"
        before = newest.get(machine)
        news = None
        if what == "open" and (before is None or before.over):
            news = incident(machine, 1 + number % 2, 1 if before is None else before.number + 1, now)
        elif before is not None and not before.over:
            change = {"rise": {"severity": 2}, "ack": {"acknowledged": True}, "wake": {"acknowledged": False},
                      "close": {"over": True}}.get(what)  # fmt: skip
            news = msgspec.structs.replace(before, time_ns=now, **change) if change else None
        if news:
            newest[machine] = news
            policy.take(news, now)
        if what in ("silent", "heard"):
            policy.take(silence(machine, now if what == "silent" else now - 1, what == "heard"), now)
        if what in ("broker", "back"):
            for one in changes(known, [Trouble("broker", now, "", 2)] if what == "broker" else [], now):
                policy.take(one, now)
        if what == "restart":
            policy = restarted(policy)
        policy.form(now)
        if arrived:
            for message in list(policy.unsent):
                ids.append(message.id)
                policy.sent(message)
    counts = policy.counts
    gone = counts["told"] + counts["digested"] + counts["dropped"] + counts["given_up"]
    gone += sum(counts[f"suppressed_{rule}"] for rule in SUPPRESSED)
    assert counts["events"] == gone + policy.waiting
    assert len(ids) == len(set(ids))
    assert set(counts) <= {"events", "messages", "told", "digested", "dropped", "given_up"} | {
        f"suppressed_{rule}" for rule in SUPPRESSED
    }

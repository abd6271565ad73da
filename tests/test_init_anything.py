"""`spikewatch init`: whatever is heard, proposals load, and every topic either gives readings or is told why not."""

import json
from pathlib import Path

from heard import NOW, propose
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.commissioning.proposing import as_yaml
from pipeline.config.file import parsed
from pipeline.records import Message

PAYLOADS = [
    (topic.read_text().strip(), payload.read_bytes())
    for topic in sorted((Path(__file__).parent / "payloads").glob("*/topic.txt"))
    for payload in topic.parent.glob("payload.*")
    if payload.suffix != ".hex"
]
KEYS = st.sampled_from(
    [
        "id",
        "name",
        "value",
        "v",
        "q",
        "ts",
        "time",
        "t",
        "fields",
        "tags",
        "payload",
        "Messages",
        "state",
        "x.y",
        "",
        "*",
    ]
)
SCALARS = st.none() | st.booleans() | st.floats(-1e6, 1e12) | st.text(max_size=8) | st.just("2026-06-09T10:13:20")
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
LEVELS = st.sampled_from(["a", "b1", "motor", "line4", "value", "status", "switch:0", "", "spBv1.0", "NBIRTH", "x y"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=5).map("/".join)
CONTENTS = (
    TREES.map(lambda tree: json.dumps(tree).encode()) | st.binary(max_size=20) | st.text(max_size=20).map(str.encode)
)


def proposals_load_and_every_topic_is_accounted_for(messages: list[Message]) -> None:
    found = propose(messages)
    tree = parsed(as_yaml(found, "mqtt://127.0.0.1"), "plant.yaml", {})
    if found.proposals:
        assert tree.mqtt.sources == tuple(one.source for one in found.proposals)
    assert found.left_out.keys() == found.causes.keys() <= {message.topic for message in messages}
    assert all(found.left_out.values())
    assert all(counts for counts in found.causes.values())


@settings(deadline=None)
@given(st.lists(st.tuples(TOPICS, CONTENTS), max_size=8))
def test_any_messages_end_in_proposals_that_load_or_in_a_reason(heard):
    proposals_load_and_every_topic_is_accounted_for(
        [Message(topic, payload, NOW + number * 10**9) for number, (topic, payload) in enumerate(heard)]
    )


def test_every_payload_that_a_format_is_tested_with_does_too():
    for topic, payload in PAYLOADS:
        proposals_load_and_every_topic_is_accounted_for([Message(topic, payload, NOW)])
    proposals_load_and_every_topic_is_accounted_for(
        [Message(f"{number}/{topic}", payload, NOW) for number, (topic, payload) in enumerate(PAYLOADS)]
    )

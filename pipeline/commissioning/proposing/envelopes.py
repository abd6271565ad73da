"""Objects in which well-known senders wrap their readings; what is beside the readings is about the message. Pure."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pipeline.commissioning.proposing.walk import at, met
from pipeline.config.settings import Source

# Where the readings are, and what else must be there: The Things Stack, ChirpStack, Node-RED, shadows of AWS IoT.
PLAIN = (
    ("uplink_message.decoded_payload", ("end_device_ids", "received_at")),
    ("object", ("deviceInfo",)),
    ("object", ("devEUI",)),
    ("payload", ("topic", "_msgid")),
    ("payload", ("topic", "qos")),
    ("state.reported", ("metadata",)),
    ("state.reported", ("version",)),
)
HOSTS = ("machine", "device", "asset", "host")  # tags of Telegraf that name the machine


def in_envelope(source: Source, literal: str, trees: Sequence[Any]) -> Source | None:
    """The source, with what a known envelope says; None where the messages are in none."""
    for path, beside in PLAIN:
        if trees and all(isinstance(at(tree, path), dict) and any(key in tree for key in beside) for tree in trees):
            return replace(source, samples=path)
    return _telegraf(source, literal, trees) or _opc_ua(source, literal, trees)


def _telegraf(source: Source, literal: str, trees: Sequence[Any]) -> Source | None:
    """JSON of Telegraf, in batches or not: fields, name, tags, timestamp."""
    for path in ("fields", "metrics.fields"):
        around = [one.around[-1] for tree in trees for one in met(tree, path)]
        if not around or not all({"fields", "name", "tags"} <= one.keys() for one in around):
            continue
        host = next((name for name in HOSTS if all(isinstance(at(one, f"tags.{name}"), str) for one in around)), None)
        named = replace(source, samples=path, sensor="name")
        return named if host is None else replace(named, topic=literal, machine=f"tags.{host}")
    return None


def _opc_ua(source: Source, literal: str, trees: Sequence[Any]) -> Source | None:
    """PubSub of OPC UA in JSON."""
    if not all(isinstance(at(tree, "Messages"), list) for tree in trees):
        return None
    writers = [one for tree in trees for one in tree["Messages"] if isinstance(one, dict)]
    if not writers or not all(isinstance(one.get("Payload"), dict) for one in writers):
        return None
    found = replace(
        source,
        samples="Messages.Payload.{sensor}",
        value="Value",
        quality="StatusCode.Symbol",
        good=("Good", None),
    )
    if all(isinstance(one.get("DataSetWriterName"), str) for one in writers):
        found = replace(found, topic=literal, machine="DataSetWriterName")
    return found

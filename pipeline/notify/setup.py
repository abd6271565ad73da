"""From the configuration to channels that can be used, and to what each of them is told when."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import time as clock_time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pipeline.config.settings import WEEK, Channel, Config, Quiet, duration_ns
from pipeline.engine.scoring import Severity
from pipeline.notify import text
from pipeline.notify.channels import NotSent, Opened, open_channel
from pipeline.notify.policy import Rules
from pipeline.notify.quiet import Hours


class Plan(NamedTuple):
    """All channels, and how they are told."""

    channels: Sequence[tuple[Opened, Rules]]
    style: text.Style


def plan(config: Config, environ: Mapping[str, str]) -> Plan:
    """Everything that is configured. Raises ConfigError, which holds no secret, where a channel cannot be used."""
    channels = [(open_channel(one, environ), rules_of(one, config.time_zone)) for one in config.notify]
    return Plan(channels, style_of(config))


def style_of(config: Config) -> text.Style:
    """How texts are written for this plant."""
    return text.Style(ZoneInfo(config.time_zone), config.console.public_url or "")


def rules_of(channel: Channel, zone: str) -> Rules:
    """What a channel is told when; `zone` is the plant's."""
    return Rules(
        name=channel.name,
        severity=int(Severity[channel.severity.upper()]),
        events=frozenset(channel.events),
        machines=channel.machines,
        captures=tuple(sorted(channel.captures.items())),
        cooldown_ns=duration_ns(channel.cooldown),
        wait_ns=duration_ns(channel.digest.wait),
        from_machines=channel.digest.from_,
        reminder_ns=0 if channel.reminder is None else duration_ns(channel.reminder),
        service_after_ns=duration_ns(channel.service_after),
        quiet=None if channel.quiet is None else _hours(channel.quiet, zone),
    )


def _hours(quiet: Quiet, zone: str) -> Hours:
    return Hours(
        clock_time.fromisoformat(quiet.from_),
        clock_time.fromisoformat(quiet.to),
        [WEEK.index(day) for day in quiet.days],
        ZoneInfo(quiet.time_zone or zone),
        critical_too=quiet.except_ != "critical",
    )


def send_tests(channels: Iterable[Channel], style: text.Style, environ: Mapping[str, str]) -> dict[str, str]:
    """Send a test message to each; why it did not arrive, by the channel's name, empty where it did.

    Raises ConfigError where a channel cannot be used.
    """
    found = {}
    for channel in channels:
        sender = open_channel(channel, environ).sender
        now_ns = time.time_ns()
        said = text.test(style, now_ns)
        content = {"id": f"test-{now_ns}", "kind": "test", "title": said.title, "text": said.body, "news": []}
        try:
            sender.send(f"test-{now_ns}", said.title, said.body, "", content)
            found[channel.name] = ""
        except NotSent as error:
            found[channel.name] = str(error)
        finally:
            sender.close()
    return found

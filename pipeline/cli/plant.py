"""Verbs that look at live traffic, make some, and write a first configuration from it."""

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal import (
    AsJson,
    ConfigPath,
    app,
    broker_for,
    configured,
    err,
    fail,
    host_zone,
    out,
    progress_bar,
)
from pipeline.commissioning.faults import Fault, Kind
from pipeline.service.stopping import until_stopped

if TYPE_CHECKING:
    from pipeline.commissioning.proposing import Proposed
    from pipeline.commissioning.tap import Told
    from pipeline.config.settings import Config


def seconds_of(text: str, option: str) -> float:
    """A duration given as an option, in seconds."""
    from pipeline.config.settings import duration_ns

    try:
        return duration_ns(text) / 1e9
    except ValueError as error:
        fail(f"{option}: {error}")


@app.command()
def simulate(
    url: Annotated[str | None, typer.Option(help="Broker, mqtt://host:port; default: the configuration's.")] = None,
    config: ConfigPath = None,
    machines: Annotated[int, typer.Option(min=1, help="How many machines: press-01, press-02, ...")] = 6,
    sensors: Annotated[int, typer.Option(min=1, help="Sensors of each: vibration, temperature, current, ...")] = 5,
    rate: Annotated[
        float, typer.Option(min=0.001, help="Rows per second of each machine, in the time of the data.")
    ] = 10.0,
    fault: Annotated[Kind | None, typer.Option(help="Kind of fault; see above.")] = None,
    machine: Annotated[str, typer.Option(help="The machine with the fault.")] = "press-01",
    sensor: Annotated[
        str | None,
        typer.Option(help="The sensor with the fault (not for bearing and leak); default: the first."),
    ] = None,
    after: Annotated[str, typer.Option(help="When the fault begins, in the time of the data.")] = "60s",
    lasting: Annotated[str | None, typer.Option("--for", help="How long; default: until Ctrl-C.")] = None,
    speed: Annotated[
        float, typer.Option(help="Above 1: history is played at this speed until the present is reached.")
    ] = 1.0,
    history: Annotated[str, typer.Option(help="With --speed: how far back the data begins.")] = "6h",
    topic: Annotated[
        str,
        typer.Option(help="plant/{machine}: a JSON object per row; plant/{machine}/{sensor}: a number per message."),
    ] = "plant/{machine}",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same readings.")] = 0,
) -> None:
    """Publish the readings of a simulated plant: machines that idle, run, age, and fail on request.

    Faults: bearing (vibration rises with shocks, temperature rises slowly), leak (pressure and flow fall slowly),
    stuck (a sensor repeats its last value), dropout (a sensor stops sending), offset (a sudden step), drift (a slow
    rise), noise (twelve times the noise). A fault lasts until the end.

    With --speed 60 an hour of history is played in a minute, with its own time stamps, then goes on in real time.

    The broker is that of --url, else the configuration's mqtt.url, else the embedded broker of the service that runs
    with the same data folder: it writes its port there, in broker.port. Ends with 1 where it cannot be reached.

    Example: spikewatch simulate --fault bearing --machine press-03 --after 60s

    Example: spikewatch simulate --url mqtt://broker.plant.local:1883
    """
    from pipeline.commissioning.plant import Plant, machine_names, sensor_names
    from pipeline.commissioning.simulation import messages
    from pipeline.mqtt import Publisher, PublishError
    from pipeline.recordings.replay import play

    tree = configured(config)
    stamped = speed != 1.0
    if "{machine}" not in topic:
        fail("--topic: needs {machine}: plant/{machine}")
    if stamped and "{sensor}" in topic:
        fail("--speed: a number has no time of its own; take a topic without {sensor}: plant/{machine}")
    if not 1.0 <= speed < math.inf:
        fail(f"--speed: {speed:g} is not from 1 on")
    history_s = seconds_of(history, "--history") if stamped else 0.0
    rows = math.inf if lasting is None else math.ceil(seconds_of(lasting, "--for") * rate)
    names, channels = machine_names(machines), sensor_names(sensors)
    faults: tuple[Fault, ...] = ()
    if fault is not None:
        if machine not in names:
            fail(f"--machine: {machine} is none of {names[0]} to {names[-1]}")
        if sensor is not None and sensor not in channels:
            fail(f"--sensor: {sensor} is none of {', '.join(channels)}")
        begins = math.ceil(seconds_of(after, "--after") * rate)
        faults = (Fault(fault, names.index(machine), begins, None if sensor is None else channels.index(sensor)),)
    try:
        plant = Plant(machines, sensors, 1.0 / rate, seed, faults)
    except ValueError as error:
        fail(f"--fault: {error}")
    own = f"spikewatch-simulate-{os.getpid()}"
    broker = broker_for(url, tree, own)
    broken = "no fault" if fault is None else f"{machine} gets {fault} after {after}"
    err.print(
        f"{machines} machines on {topic} at {broker.host}:{broker.port}, {broken}; Ctrl-C ends it",
        markup=False,
        soft_wrap=True,
    )
    per_row = machines * (sensors if "{sensor}" in topic else 1)
    begin_ns = time.time_ns() - round(history_s * 1e9)
    schedule = messages(plant, names, channels, topic, 1.0 / rate, begin_ns, speed, history_s, rows)
    total = None if math.isinf(rows) else int(rows) * per_row
    try:
        with until_stopped() as stop, Publisher(broker) as publisher, progress_bar("messages", total) as bar:
            sent = play(schedule, publisher.publish, stop=stop, progress=bar)
            publisher.drain()
    except PublishError as error:
        fail(f"{error}{NOT_SET if url is None and tree.mqtt.url is None else ''}", 1)
    err.print(f"{sent} messages published", markup=False)


@app.command()
def tap(
    config: ConfigPath = None,
    url: Annotated[str | None, typer.Option(help="Broker, mqtt://host:port; default: the configuration's.")] = None,
    topic: Annotated[str, typer.Option(help="Topic filter to listen to, with + and #.")] = "#",
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long to listen.", show_default="until Ctrl-C")
    ] = math.inf,
    count: Annotated[
        int, typer.Option(min=1, help="End after this many messages.", show_default="no limit")
    ] = sys.maxsize,
    as_json: AsJson = False,
) -> None:
    """Show how each live message is parsed: its machine and sensors, and what is ignored and why.

    Listens as a client of its own; a running service loses nothing to it. Topics that no source of the configuration
    matches are shown too, as ignored. With --json a line of JSON per message. Ends with 1 where no message came.

    The broker is that of --url, else the configuration's mqtt.url, else the embedded broker of the service that runs
    with the same data folder: it writes its port there, in broker.port.

    Example: spikewatch tap --count 20

    Example: spikewatch tap --config plant.yaml --topic 'plant/press-7/#' --count 20
    """
    from pipeline.commissioning.tap import Unsifted, in_words, tell
    from pipeline.config.settings import ConfigError
    from pipeline.mqtt.listening import listen
    from pipeline.payloads import Decoder
    from pipeline.service.connections import broker_of, embedded_port

    tree = configured(config)
    if url is not None:
        tree = reaching(tree, url)
    decoder = Decoder(tree.mqtt.sources, tree.times, tree.limits.message_bytes)
    unsifted = Unsifted(tree.mqtt.sources, tree.times, tree.limits.message_bytes)
    shown = readings = ignored = 0
    port = embedded_port(tree) if tree.mqtt.url is None else 0
    where = tree.mqtt.url or f"mqtt://127.0.0.1:{port}"
    err.print(f"{topic} at {where}; Ctrl-C ends it", markup=False, soft_wrap=True)
    try:
        broker = broker_of(tree, os.environ, tree.mqtt.client_id, port)
        with until_stopped() as stop:
            for message in listen(broker, [topic], seconds, stop):
                told = tell(message, decoder.decode(message), tree.mqtt.client_id, unsifted.ignored(message))
                if as_json:
                    print_json_line(told)
                else:
                    for line in in_words(told):
                        out.print(line, markup=False, soft_wrap=True)
                shown, readings, ignored = shown + 1, readings + len(told.readings), ignored + bool(told.ignored)
                if shown >= count:
                    break
    except (OSError, ConfigError) as error:
        fail(f"{where}: {error}{NOT_SET if tree.mqtt.url is None else ''}", 1)
    err.print(f"{shown} messages, {readings} readings; {ignored} messages with something ignored", markup=False)
    if not shown:
        fail(f"no message on {topic}: is anything published there, and may this client read it?", 1)


def reaching(tree: "Config", url: str) -> "Config":
    """The configuration with another broker, to which no user, password or certificate of this one is shown."""
    from msgspec.structs import replace

    from pipeline.config.addresses import MQTT, address
    from pipeline.config.settings import Tls

    mqtt = replace(tree.mqtt, url=url, username=None, password=None, tls=Tls())
    try:
        address(url, MQTT, "mqtt.username and mqtt.password of a configuration (--config)")
    except ValueError as error:
        fail(f"--url: {error}")
    return replace(tree, mqtt=mqtt)


@app.command()
def init(
    to: Annotated[Path, typer.Option("--out", help="File to write.")] = Path("plant.yaml"),
    url: Annotated[
        str | None, typer.Option(help="Broker, mqtt://host:port or mqtts://...; asked for if left out.")
    ] = None,
    username: Annotated[str | None, typer.Option(help="User name at the broker; asked for if --url is.")] = None,
    password_env: Annotated[
        str | None, typer.Option(help="Name of the environment variable that holds the password, not the password.")
    ] = None,
    insecure_password: Annotated[
        bool,
        typer.Option("--insecure-password", help="Allow sending the password unencrypted (mqtt://) to another host."),
    ] = False,
    topic: Annotated[str, typer.Option(help="Topic filter to listen to, with + and #.")] = "#",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to listen.")] = 15.0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Listen to a broker, propose what its topics mean, and write a commented configuration.

    Asks for the broker if --url is left out. The proposal is a guess from the traffic received: read it, and try it
    with the two commands that are printed at the end. What gives no reading is told with the cause, and how often.
    Exit code 1 if nothing usable was received.

    Example: spikewatch init

    Example: spikewatch init --url mqtt://broker.plant.local:1883 --seconds 30 --out plant.yaml
    """
    from pipeline.commissioning.proposing import Proposed, as_yaml, in_words, propose
    from pipeline.config.addresses import MQTT, address
    from pipeline.config.file import parsed
    from pipeline.config.settings import Config, ConfigError, Secret
    from pipeline.mqtt.listening import listen
    from pipeline.service.connections import broker_of

    if to.exists() and not force:
        fail(f"{to} exists; --force overwrites it")
    if url is None:
        url = typer.prompt("Broker", default="mqtt://127.0.0.1:1883", err=True)
        username = (
            username or typer.prompt("User name (empty: none)", default="", show_default=False, err=True) or None
        )
        if username is not None and password_env is None:
            question = "Environment variable that holds its password (empty: none)"
            password_env = typer.prompt(question, default="", show_default=False, err=True) or None

    try:
        address(url, MQTT, "--username and --password-env")  # before it is used
    except ValueError as error:
        fail(f"--url: {error}")

    def checked(proposed: Proposed) -> tuple[str, Config]:
        """The text of the configuration, as it is read back; the end of the program where it would not be."""
        text = as_yaml(proposed, url, username, Secret(env=password_env) if password_env else None, insecure_password)
        try:
            return text, parsed(text, str(to), os.environ)
        except ConfigError as error:
            fail(str(error))

    _, tree = checked(Proposed((), {}))
    heard = []
    try:
        with (
            until_stopped() as stop,
            err.status(f"listening to {topic} for {seconds:g} s, Ctrl-C ends it sooner") as status,
        ):
            for message in listen(broker_of(tree, os.environ, tree.mqtt.client_id), [topic], seconds, stop):
                heard.append(message)
                if len(heard) % 100 == 0:
                    status.update(f"listening to {topic}: {len(heard)} messages")
                if len(heard) >= MOST_HEARD:
                    break
    except (OSError, ConfigError) as error:
        fail(f"{url}: {error}", 1)
    proposed = propose(heard, tree.mqtt.client_id, host_zone())
    if not proposed.proposals:
        if as_json:
            print_proposed(None, proposed)
        else:
            print_left_out(proposed)
        what = (
            "no message"
            if not heard
            else f"{len(heard)} messages, and no reading in them that a source could describe"
        )
        fail(f"{what} on {topic} within {seconds:g} s; nothing is written", 1)
    text, _ = checked(proposed)
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"--out: {to}: {error.strerror}")
    if as_json:
        print_proposed(to, proposed)
        return
    for one in proposed.proposals:
        out.print(
            f"{one.source.topic} ({one.source.payload}): {one.machines} machines, {one.sensors} sensors,"
            f" such as {one.examples[0]}",
            markup=False,
            soft_wrap=True,
        )
        for note in one.notes:
            out.print(f"  please check: {note}", markup=False, soft_wrap=True)
        for pattern, why in one.reasons.items():
            out.print(f"  ignored: {ascii(pattern)[1:-1]} ({ascii(why)[1:-1]})", markup=False, soft_wrap=True)
        if one.ignored:
            out.print(f"  no readings: {in_words(one.ignored)}", markup=False, soft_wrap=True)
    print_left_out(proposed)
    for line in (f"{to} is written. Next:", f"  spikewatch tap --config {to}", f"  spikewatch run --config {to}"):
        out.print(line, markup=False, soft_wrap=True)


NOT_SET = " (mqtt.url is not set, so this is the embedded broker: does spikewatch run with this data folder?)"
MOST_HEARD = 200_000  # messages, which bounds the memory
LEFT_OUT_SHOWN = 10


def print_proposed(file: Path | None, proposed: "Proposed") -> None:
    """All that was proposed and left out, as JSON; `file`: what was written."""
    from msgspec.structs import asdict

    sources = [
        {**one._asdict(), "source": {key: value for key, value in asdict(one.source).items() if value is not None}}
        for one in proposed.proposals
    ]
    told = {"sources": sources, "left_out": proposed.left_out, "causes": proposed.causes}
    out.print_json(json.dumps({"file": None if file is None else str(file), **told}))


def print_left_out(proposed: "Proposed") -> None:
    """Topics that gave no reading, and why."""
    for name, why in sorted(proposed.left_out.items())[:LEFT_OUT_SHOWN]:
        out.print(f"left out: {ascii(name)[1:-1]} ({ascii(why)[1:-1]})", markup=False, soft_wrap=True)
    if len(proposed.left_out) > LEFT_OUT_SHOWN:
        out.print(f"left out: {len(proposed.left_out) - LEFT_OUT_SHOWN} more topics (--json has all)")


def print_json_line(told: "Told") -> None:
    """A message as one line of JSON."""
    entry = {
        "topic": told.topic,
        "readings": [one._asdict() for one in told.readings],
        "ignored": [one._asdict() for one in told.ignored],
    }
    out.print(json.dumps(entry), markup=False, soft_wrap=True)

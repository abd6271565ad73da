"""The page that leads from a first alarm to its answer shows what its commands lead to."""

from pages import DOCS, typed

from pipeline.commissioning.faults import Fault, Kind
from pipeline.commissioning.plant import Plant, machine_names, sensor_names
from pipeline.engine.engine import Engine
from pipeline.records import Machine, Reading

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
PAGE = (DOCS / "first-alarm.md").read_text()
MACHINES, SENSORS, ROWS, BEGINS = 6, 5, 7_200, 6_600  # two hours, and the fault after 1 h 50 min


def test_the_simulation_of_the_page_ends_with_the_alarm_that_it_shows_and_no_other():
    (words,) = [line for line in typed(PAGE) if "--fault" in line]
    told = "--rate 1 --speed 60 --history 2h --fault bearing --machine press-03 --after 1h50m"
    assert words == f"spikewatch simulate {told}"
    names, sensors, engine = machine_names(MACHINES), sensor_names(SENSORS), Engine()
    plant = Plant(MACHINES, SENSORS, 1.0, 0, (Fault(Kind.BEARING, names.index("press-03"), BEGINS),))
    opened = []
    for first in range(0, ROWS, 60):
        messages = [
            [
                Reading(Machine(name), sensor, START + row * SECOND, value)
                for sensor, value in zip(sensors, of, strict=True)
            ]
            for row in range(first, first + 60)
            for name, of in zip(names, plant.next().tolist(), strict=True)
        ]
        opened += [news for news in engine.step(engine.arrange(messages)).news if news.phase == "open"]
    alarm = next(news for news in opened if news.time_ns >= START + BEGINS * SECOND)
    assert alarm.time_ns < START + (BEGINS + 60) * SECOND
    assert names[alarm.slot] == "press-03"
    assert (alarm.incident.sensors[0].sensor, alarm.incident.sensors[0].direction) == ("vibration", "high")
    assert [name for slot, name in enumerate(names) if engine.incident(slot) is not None] == ["press-03"]

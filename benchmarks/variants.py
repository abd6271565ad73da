"""The network with delays of other widths or with fewer neurons, as a command for the scoreboard.

    python benchmarks/quality/board.py --data benchmarks/quality/data --sets nab,skab,ageing \\
        --command '.venv/bin/python benchmarks/variants.py bits=4,neurons=32 score'

The first argument says what is other: `bits` of the delays, 1 to 8, or 32 for floats; `neurons` of each population of
a line, 64, 32 or 16. The rest is a `spikewatch` command. Each network is compiled once, into build/.
"""

import importlib.util
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
FLOATS = 32
CHOICES = {"bits": (*range(1, 9), FLOATS), "neurons": (64, 32, 16)}
WRITTEN = {  # where the sources say it
    "bits": ("pipeline/network/delay.h", "#define SW_DELAY_BITS {}\n"),
    "neurons": ("pipeline/network/evolving.h", "SW_NEURONS = {},"),
    "lanes": ("pipeline/network/evolving.h", "SW_LANES = {} /*"),
}
USUAL = {"bits": 8, "neurons": 64, "lanes": 32}


def read(text: str) -> dict[str, int]:
    """What is other, of `bits=4,neurons=32`."""
    chosen = dict(USUAL)
    for part in text.split(","):
        name, _, number = part.partition("=")
        if name not in CHOICES or number not in map(str, CHOICES[name]):
            raise SystemExit(f"{part}: must be one of {', '.join(f'{one}={CHOICES[one]}' for one in CHOICES)}")
        chosen[name] = int(number)
    chosen["lanes"] = min(chosen["lanes"], chosen["neurons"])
    return chosen


def loaded(path: Path, name: str) -> ModuleType:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiled(chosen: dict[str, int]) -> Path:
    """The network with these, compiled of a copy of the sources unless that is newer than they are."""
    name = "_core" + "".join(f"_{number}_{what}" for what, number in sorted(chosen.items()))
    folder = ROOT / "build" / name
    sources = [
        ROOT / "build_core.py",
        *(path for part in ("encoders", "pipeline/network") for path in (ROOT / part).glob("*.[ch]")),
    ]
    made = next(folder.glob(f"{name}.*.so"), None)
    if made is not None and made.stat().st_mtime_ns > max(path.stat().st_mtime_ns for path in sources):
        return made
    for path in sources:
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for what, (place, form) in WRITTEN.items():
        path = folder / place
        text = path.read_text()
        usual = form.format(USUAL[what])
        if usual not in text:
            raise SystemExit(f"{path}: does not say {usual!r}")
        path.write_text(text.replace(usual, form.format(chosen[what])))
    build = loaded(folder / "build_core.py", "build_core_of_a_variant")
    declare: Callable[[], str] = build.declarations
    declared = declare()
    if chosen["bits"] == FLOATS:
        declared = re.sub(r"typedef u?int\d+_t (sw_delay|sw_time|sw_late|sw_sum);", r"typedef float \1;", declared)
    return Path(build.extension([], name, declared).compile(tmpdir=str(folder)))


def use(text: str) -> None:
    """Put another network in the place of ours; before anything else imports it."""
    path = compiled(read(text))
    sys.modules["pipeline.network._core"] = loaded(path, path.name.split(".")[0])


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    use(sys.argv.pop(1))
    from pipeline.cli import main

    main()

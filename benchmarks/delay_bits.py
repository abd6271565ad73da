"""The network with delays of fewer bits, as a command for the scoreboard.

    python benchmarks/quality/board.py --data benchmarks/quality/data --sets nab,skab,ageing \\
        --command '.venv/bin/python benchmarks/delay_bits.py 8 score'

The first argument is the number of bits, 1 to 8; the rest is a `spikewatch` command. The network is compiled once for
each width, into build/.
"""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import build_core  # noqa: E402


def compiled(bits: int) -> Path:
    """The network with delays of so many bits, compiled unless it is newer than its sources."""
    name = f"_core_of_{bits}_bits"
    folder = ROOT / "build" / name
    newest = max(Path(part).stat().st_mtime_ns for part in build_core.files(".[ch]"))
    made = next(folder.glob(f"{name}.*.so"), None)
    if made is not None and made.stat().st_mtime_ns > newest:
        return made
    folder.mkdir(parents=True, exist_ok=True)
    declared = build_core.declarations().replace("typedef float sw_delay;", "typedef int8_t sw_delay;")
    return Path(build_core.extension([f"-DSW_DELAY_BITS={bits}"], name, declared).compile(tmpdir=str(folder)))


def main() -> None:
    """Run a command with the network of so many bits in the place of ours."""
    bits = int(sys.argv.pop(1))
    if not 1 <= bits <= 8:
        raise SystemExit(f"{bits} is not from 1 to 8 bits")
    path = compiled(bits)
    spec = importlib.util.spec_from_file_location(f"_core_of_{bits}_bits", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: cannot be loaded")
    core = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(core)
    sys.modules["pipeline.network._core"] = core
    from pipeline.cli import main as program

    program()


if __name__ == "__main__":
    main()

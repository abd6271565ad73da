"""Compiled kernels never outlive the sources they were made of."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import compiled


@pytest.fixture
def sources(tmp_path):
    for name in (
        "encoders/delta.py",
        "pipeline/network/rank.py",
        "pipeline/engine/engine.py",
        "pipeline/engine/scoring.py",
        "pipeline/engine/recognition.py",
    ):
        path = tmp_path / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    return tmp_path / "sources"


def kept(sources, environ):
    compiled.keep(sources, environ)
    folder = Path(environ[compiled.VARIABLE])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def as_it_was():
    numba = sys.modules.get("numba")
    before = numba and numba.config.CACHE_DIR
    yield
    if numba:
        numba.config.CACHE_DIR = before


def test_the_same_sources_use_the_same_folder_and_any_change_another_one(sources, tmp_path):
    environ = {compiled.VARIABLE: str(tmp_path / "cache")}
    first = kept(sources, dict(environ))
    assert kept(sources, dict(environ)) == first
    assert first.parent == tmp_path / "cache"
    (sources / "pipeline/network/rank.py").write_text("x = 2\n")
    second = kept(sources, dict(environ))
    assert second != first
    assert not first.exists(), "what was compiled of other sources goes"
    (sources / "pipeline/engine/engine.py").write_text("x = 3\n")
    assert kept(sources, dict(environ)) == second, "no kernel changed"
    (sources / "pipeline/network/rank.py").rename(sources / "pipeline/network/ranks.py")
    assert kept(sources, dict(environ)) != second


def test_kernels_are_nowhere_but_where_changes_are_noticed():
    root = Path(compiled.__file__).parent.parent
    places = [root / name for name in compiled.KERNELS]
    for package in ("encoders", "pipeline"):
        for path in (root / package).rglob("*.py"):
            if "@kernel" in path.read_text() or "@inlined" in path.read_text():
                assert any(place == path or place in path.parents for place in places), path


def test_nothing_else_in_the_cache_is_touched(sources, tmp_path):
    other = tmp_path / "cache" / "of-somebody-else" / "file"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    kept(sources, {compiled.VARIABLE: str(tmp_path / "cache")})
    assert other.read_text() == "mine"


def test_a_child_process_uses_its_parent_s_folder(sources, tmp_path):
    environ = {compiled.VARIABLE: str(tmp_path / "cache")}
    first = kept(sources, environ)
    assert kept(sources, environ) == first


def test_without_a_word_of_the_environment_it_is_beside_the_sources_or_in_the_user_s_cache(sources, monkeypatch):
    assert compiled.home(sources, {}) == sources / "pipeline" / "__pycache__"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert compiled.home(sources, {"XDG_CACHE_HOME": "/c"}) == Path("/c/spikewatch")
    assert compiled.home(sources, {}) == Path.home() / ".cache/spikewatch"


def test_kernels_are_compiled_into_the_folder_of_their_sources():
    code = "import pipeline, numba; print(numba.config.CACHE_DIR)"
    environ = {key: value for key, value in os.environ.items() if key != compiled.VARIABLE}
    root = Path(compiled.__file__).parent.parent
    said = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=root, capture_output=True, text=True, check=True
    )
    assert Path(said.stdout.strip()).name == f"{compiled.PREFIX}{compiled.digest(root)}"

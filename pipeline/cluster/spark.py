"""A session of Apache Spark, and what its errors say; of the extra `spark`, so it is imported when it is used."""

import os
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkError(Exception):
    """Spark cannot be started, or has failed; the text says why."""


def session(name: str, master: str, settings: Mapping[str, str]) -> "SparkSession":
    """A session at `master`; raises SparkError. Signals are heard as before: Spark takes SIGINT for itself."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # spark.pyspark.python is not heeded everywhere
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # else it asks for the address of the host's name
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    interrupted = signal.getsignal(signal.SIGINT)
    builder = SparkSession.builder.appName(name).master(master)
    for key, value in {"spark.ui.showConsoleProgress": "false", **settings}.items():
        builder = builder.config(key, value)
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # about pandas 3; see docs/scale.md
            opened: SparkSession = builder.getOrCreate()
    except (Py4JError, PySparkException, OSError) as error:
        raise SparkError(f"{master}: Spark does not start there: {said(error)}") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupted)
    return opened


def said(error: Exception) -> str:
    """The line of an error of Spark that says most: the last of ours, else the first that names an error."""
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip()]
    own = [line.partition(": ")[2] for line in lines if line.startswith("pipeline.")]
    named = [line for line in lines if "Exception" in line or "rror:" in line]
    return next(iter([*own[-1:], *named, *lines]), repr(error))


def has_java() -> bool:
    """Whether Spark would find a Java."""
    home = os.environ.get("JAVA_HOME")
    return (Path(home) / "bin" / "java").exists() if home else shutil.which("java") is not None

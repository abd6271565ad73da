"""One function called with many arguments, by processes of this computer or by computers: joblib, Dask or Spark.

Each gives what the function returns as soon as it has returned, in any order, and starts with what comes first. The
function and its arguments can be pickled, and it raises nothing; it may be called twice where a computer is lost.
Whatever still runs is ended when the caller asks for no more. The only file that knows joblib and Dask. They are of
the extras `bulk` and `spark`, so each is imported when it is used.
"""

import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from typing import TypeVar

from pipeline.cluster.spark import SparkError, said, session

Given = TypeVar("Given")
Gained = TypeVar("Gained")

TASKS_PER_CORE = 32  # of a Spark job: few enough to be worth their start, enough to keep all cores busy to the end
LOOK_S = 0.2  # between two looks at what a Spark job has done
MOST_S = 10.0  # that a Spark job may take to end when it is cancelled


class LostError(Exception):
    """Workers cannot be started, or were lost; the text says why."""


@contextmanager
def _interrupts_later(start_tracker: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C counts at the end of the block, and never for processes that begin in it: who began them ends them."""
    start_tracker()  # of processes' resources: would let signals through if it was started by the first of them
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def with_joblib(
    function: Callable[[Given], Gained], arguments: Sequence[Given], workers: int
) -> Generator[Gained, None, None]:
    """In so many processes of this computer."""
    from joblib import Parallel, delayed, parallel_config  # type: ignore[import-untyped]
    from joblib.externals.loky.backend import resource_tracker as of_loky  # type: ignore[import-untyped]
    from joblib.externals.loky.process_executor import TerminatedWorkerError  # type: ignore[import-untyped]

    try:
        with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
            with _interrupts_later(of_loky.ensure_running):
                results = Parallel(return_as="generator_unordered")(delayed(function)(one) for one in arguments)
            yield from results
    except TerminatedWorkerError as error:
        raise LostError(f"a worker was killed, perhaps for want of memory: {str(error).splitlines()[0]}") from None


def with_dask(
    function: Callable[[Given], Gained], arguments: Sequence[Given], workers: int, scheduler: str | None
) -> Generator[Gained, None, None]:
    """In so many processes of this computer, or by the workers of a scheduler, such as tcp://10.0.0.1:8786."""
    from distributed import Client, LocalCluster, as_completed

    with ExitStack() as opened:
        try:
            if scheduler is None:
                with _interrupts_later(resource_tracker.ensure_running):
                    own = LocalCluster(  # type: ignore[no-untyped-call]
                        n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
                    )
                opened.enter_context(own)
            client = opened.enter_context(Client(own if scheduler is None else scheduler))  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise LostError(f"{scheduler or 'dask'}: {error}") from None
        futures = client.map(function, arguments, pure=False)
        for future in as_completed(futures):  # type: ignore[no-untyped-call]
            if future.status != "finished":
                raise LostError(f"dask lost a task: {future.exception() or future.status}")
            yield future.result()
            future.release()


def with_spark(
    function: Callable[[Given], Gained], arguments: Sequence[Given], workers: int, master: str | None
) -> Generator[Gained, None, None]:
    """In so many processes of this computer, or by a cluster, such as spark://10.0.0.1:7077."""
    from pyspark.accumulators import AccumulatorParam

    class Gathered(AccumulatorParam[list[Gained]]):
        """What tasks have returned: comes to the driver when a task ends, and once, also if it was tried twice."""

        def zero(self, value: list[Gained]) -> list[Gained]:
            return []

        def addInPlace(self, value1: list[Gained], value2: list[Gained]) -> list[Gained]:  # noqa: N802  # Spark's name
            value1.extend(value2)
            return value1

    failed: list[Exception] = []
    try:
        spark = session("spikewatch rescore", master or f"local[{workers}]", {"spark.ui.enabled": "false"})
    except SparkError as error:
        raise LostError(str(error)) from None
    context = spark.sparkContext
    with ExitStack() as opened:
        opened.callback(spark.stop)
        context.setLogLevel("ERROR")
        gathered = context.accumulator([], Gathered())
        # A task of Spark takes tens of milliseconds itself, so it is of several arguments, every Nth of them.
        count = min(len(arguments), TASKS_PER_CORE * context.defaultParallelism)
        groups = context.parallelize([list(arguments[first::count]) for first in range(count)], count)

        def run() -> None:
            try:
                groups.foreach(lambda group: gathered.add([function(one) for one in group]))
            except Exception as error:  # of whatever kind: a job that is cancelled ends with several
                failed.append(error)

        job = threading.Thread(target=run, daemon=True)
        job.start()
        opened.callback(job.join, MOST_S)  # before Spark is stopped below it
        opened.callback(context.cancelAllJobs)
        told, running = 0, True
        while running:
            job.join(LOOK_S)
            running = job.is_alive()
            while told < len(gathered.value):
                yield gathered.value[told]
                told += 1
        if failed:
            raise LostError(said(failed[0]))

"""A dask cluster as the place where work on many parts is done, in the manner of ``map``.

Importing this module needs the extra ``cluster``.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from importlib.metadata import version
from threading import Lock
from typing import Any, TypeVar

from distributed import Client, KilledWorker, LocalCluster, Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from geo_urc.errors import GeoUrcError, Problem
from geo_urc.offline import stay_offline
from geo_urc.text import Text

A = TypeVar("A")
B = TypeVar("B")

PATIENCE_S = 30
"""How long a scheduler, and a first worker of it, is waited for."""
AHEAD = 3
"""Items waiting for each thread of the cluster: none is idle, and nothing piles up."""
ALIKE = ("geo-urc", "numpy", "shapely", "pyproj", "pyarrow", "scipy", "rasterio", "exactextract")
"""What results hang on, and must be of one version everywhere."""


class ClusterError(GeoUrcError):
    """The cluster cannot be reached, or cannot do the work."""


class Cluster:
    """What does something for each of many on the workers of a cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._maps = 0

    def map(self, function: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]:
        """Yield what a function returns for each item, in the order of the items.

        The function goes to each worker once, with all that it holds, and to those that join
        later; an item goes to the worker that takes it. What a lost worker had is done again by
        another, so that the function may be called more than once for an item; the answer of
        one call counts.
        """
        self._maps += 1
        name = f"geo_urc-{self._client.id}-{self._maps}"
        futures: deque[Any] = deque()
        waiting = enumerate(items)
        self._client.register_plugin(_Carried(function), name=name)
        try:
            while True:
                wanted = AHEAD * max(1, sum(self._client.nthreads().values()))
                while len(futures) < wanted and (following := next(waiting, None)) is not None:
                    number, item = following
                    futures.append(
                        self._client.submit(_call, name, item, key=f"{name}-{number}", pure=False)
                    )
                if not futures:
                    return
                yield _answer(futures.popleft())
        finally:
            self._client.cancel(list(futures))
            self._client.unregister_worker_plugin(name)


class _Carried(WorkerPlugin):
    """A function that stays with a worker.

    It is called once at a time: prepared geometries are not for two threads.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.lock: Lock | None = None

    def setup(self, worker: Worker) -> None:
        """Make the worker's process ready."""
        self.lock = Lock()
        stay_offline()


def _call(name: str, item: Any) -> Any:
    """Call the function that this worker carries under a name."""
    carried: Any = get_worker().plugins[name]
    with carried.lock:
        return carried.function(item)


def _answer(future: Any) -> Any:
    try:
        return future.result()
    except KilledWorker as error:
        what = Text(
            f"计算节点在同一分区上多次中断：{error}。",
            f"Workers were lost again and again over one partition: {error}.",
        )
        fix = Text(
            "请查看节点日志；常见原因是内存不足，可用 geo-urc partition --rows 减小分区。",
            "Look into their logs; often memory is short, and geo-urc partition --rows makes "
            "partitions smaller.",
        )
        raise ClusterError(Problem("--engine dask", what, fix)) from error
    except CancelledError as error:
        what = Text("与调度器的连接中断。", "The connection to the scheduler broke off.")
        fix = Text("没有改动任何结果，请重新运行。", "Nothing was changed: run again.")
        raise ClusterError(Problem("--engine dask", what, fix)) from error


@contextmanager
def cluster(scheduler: str | None, workers: int = 1) -> Iterator[Cluster]:
    """Give a cluster for as long as the block lasts.

    Parameters
    ----------
    scheduler
        Address of one that runs already; None starts one on this machine.
    workers
        How many processes are started for that.

    Raises
    ------
    ClusterError
        Nobody answers, or the workers are not like this process.
    """
    if scheduler is None:
        where = f"--workers {workers}"
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address=None,
                host="127.0.0.1",
                silence_logs=logging.CRITICAL,
            ) as local,
            Client(local) as client,
        ):
            yield _ready(client, where)
        return
    try:
        client = Client(scheduler, timeout=PATIENCE_S)
    except (OSError, ValueError) as error:
        what = Text(f"连接不上调度器：{error}。", f"The scheduler does not answer: {error}.")
        fix = Text(
            "请核对地址（如 tcp://10.0.0.1:8786），并确认 dask scheduler 在运行。",
            "Check the address, such as tcp://10.0.0.1:8786, and that dask scheduler runs there.",
        )
        raise ClusterError(Problem(f"--scheduler {scheduler}", what, fix)) from error
    with client:
        yield _ready(client, f"--scheduler {scheduler}")


def _ready(client: Client, where: str) -> Cluster:
    """Return the cluster once a worker is there and all are like this process."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE_S)
    except TimeoutError as error:
        what = Text("调度器没有计算节点。", "The scheduler has no workers.")
        fix = Text(
            f"请启动 dask worker（已等待 {PATIENCE_S} 秒）。",
            f"Start dask worker (waited for {PATIENCE_S} seconds).",
        )
        raise ClusterError(Problem(where, what, fix)) from error
    mine = _versions()
    try:
        theirs = client.run(_versions)
    except ImportError as error:
        what = Text(
            f"计算节点上没有安装本程序：{error}。", f"The workers cannot import this: {error}."
        )
        raise ClusterError(Problem(where, what, _INSTALL)) from error
    odd = [
        f"{address}: {name} {found[name]} ≠ {mine[name]}"
        for address, found in sorted(theirs.items())
        for name in mine
        if found[name] != mine[name]
    ]
    if odd:
        listed = "；".join(odd[:5])
        what = Text(f"计算节点的版本不同：{listed}。", f"Workers have other versions: {listed}.")
        raise ClusterError(Problem(where, what, _INSTALL))
    return Cluster(client)


def _versions() -> dict[str, str]:
    import shapely

    return {**{name: version(name) for name in ALIKE}, "geos": shapely.geos_version_string}


_INSTALL = Text(
    "结果取决于这些版本：请在所有计算节点安装同一环境。",
    "Results hang on them: install the same environment on every worker.",
)

"""Blocking work in a thread of its own, which holds up neither other work nor the end of the process (D12)."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


async def aside(work: Callable[[], T], name: str) -> T:
    """What `work` returns or raises. Whoever is cancelled meanwhile leaves it behind: it ends by itself, or with the
    process, and its database connection with it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def end(result: T | None, error: BaseException | None) -> None:
        if not done.done():
            done.set_result(result) if error is None else done.set_exception(error)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - whoever waits raises it again
            error = raised
        finally:
            connection.close()
        with suppress(RuntimeError):  # the loop is over, and nobody waits
            loop.call_soon_threadsafe(end, result, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done

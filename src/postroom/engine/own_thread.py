"""Work that may take minutes, in a thread of its own: it holds neither what else waits for the database, nor, since the
thread is a daemon, the end of the process (D12)."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from django.db import connection


async def in_own_thread(work: Callable[[], None], name: str) -> None:
    """Wait until it is done; raises what it raised. The thread's connection to the database is closed."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def end(error: BaseException | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        ended: BaseException | None = None
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it again
            ended = error
        finally:
            connection.close()
        with suppress(RuntimeError):  # the loop is over, and nobody waits
            loop.call_soon_threadsafe(end, ended)

    threading.Thread(target=run, name=name, daemon=True).start()
    await done

"""The emulator's own process: `python -m local_cloud.server DIRECTORY PORT [--watched]`.

ministack is served as it comes, after `patches` has made it AWS where that matters here.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from local_cloud.environment import LOOPBACK
from local_cloud.process import Announcement


def main() -> None:
    """Listen on the loopback address until told to stop, or until the watching process is gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--watched", action="store_true")
    arguments = parser.parse_args()
    directory: Path = arguments.directory
    # The checkout was the working directory only so that this package could be imported.
    os.chdir(directory)
    if os.getpgrp() != os.getpid():
        # Its end takes its process group along, which must be nobody else's.
        os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, lambda *_: _end())
    if arguments.watched:
        threading.Thread(target=_end_with_the_watcher, daemon=True).start()
    with socket.create_server((LOOPBACK, arguments.port), backlog=512) as listener:
        port = listener.getsockname()[1]
        # ministack reads its port when it is imported.
        os.environ["GATEWAY_PORT"] = str(port)
        announcement = Announcement(os.getpid(), port, os.environ["MINISTACK_ACCOUNT_ID"])
        asyncio.run(_serve(listener, announcement, directory))


async def _serve(listener: socket.socket, announcement: Announcement, directory: Path) -> None:
    from local_cloud.admin import application  # noqa: PLC0415 -- imports ministack, which reads the environment

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.certfile = os.environ["MINISTACK_SSL_CERT"]
    config.keyfile = os.environ["MINISTACK_SSL_KEY"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"

    async def announcing(scope: Any, receive: Any, send: Any) -> None:
        async def send_and_announce(message: Any) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                announcement.write(directory)

        await application(scope, receive, send_and_announce if scope["type"] == "lifespan" else send)

    # Without a trigger of ours hypercorn would take over SIGTERM.
    await serve(announcing, config, shutdown_trigger=asyncio.Event().wait)


def _end_with_the_watcher() -> None:
    os.read(0, 1)
    _end()


def _end() -> None:
    # Nothing is worth saving, and ministack's own shutdown takes half a minute after a deployment: the whole
    # process group goes at once, with the functions that run in it.
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()

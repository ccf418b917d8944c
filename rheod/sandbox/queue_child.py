"""The child process of `servers.QueueServer`: moto's SQS on a socket that the parent opened.

Run as `python -m rheod.sandbox.queue_child FD`. It leaves when its standard input ends, so it cannot
outlive a parent that was killed. It prints nothing but a fatal error.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading


def main() -> None:
    """Serve until standard input closes."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the parent stops us in order
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - only the sandbox extra installs it
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415 - comes with moto

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = DomainDispatcherApplication(create_backend_app)
    # Host and port are those of the inherited socket; the numbers given here are not used.
    server = make_server("127.0.0.1", 0, app, threaded=True, fd=int(sys.argv[1]))
    server.serve_forever()


def _leave_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()

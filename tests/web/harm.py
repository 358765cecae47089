"""What a file may do to the process that reads it; in a module that such a process can import."""

from __future__ import annotations

import os
import time


def sleep(*_: object) -> None:
    time.sleep(60)


def die(*_: object) -> None:
    os._exit(1)

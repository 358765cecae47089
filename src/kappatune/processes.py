"""What every worker process does first."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process


def end_with_parent() -> None:
    """Let this process end as soon as the one that started it has; it would wait for its next task for ever."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def one_thread() -> None:
    """Networks this small run fastest on one thread, and two of them starve each other on a shared machine."""
    import torch

    torch.set_num_threads(1)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

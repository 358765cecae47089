"""Jobs on disk: a folder each, so that a server that starts again finds them all."""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from kappatune.errors import UserError
from kappatune.jobs.record import ID_PATTERN, Job
from kappatune.storage import write_text
from kappatune.structures import Crystal, Rejection
from kappatune.structures.plain import Structure

_log = logging.getLogger(__name__)

JOB = "job.json"
STRUCTURE = "structure.json"
RESULT = "result.json"
FILES = "files"
PHONO3PY = "phono3py"
"""Where a verification writes the files of phono3py before they are moved to the others."""

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


class BadJobs(UserError):
    """A folder of jobs that cannot be used; the message says why."""


class JobStore:
    """The folder of a queue.

    `jobs/ID/` holds a job with its structure, its result and its files. `cache/` holds the finished steps of
    verifications, from which one that was interrupted continues.

    Attributes:
        folder: Created if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        """Lock the folder.

        Raises:
            BadJobs: It cannot be written, or another server uses it.
        """
        self.folder = folder
        try:
            self._jobs.mkdir(parents=True, exist_ok=True)
            self._lock: IO[str] = (folder / ".lock").open("w", encoding="utf-8")
        except OSError as error:
            raise BadJobs(f"{folder}: jobs cannot be kept there ({error.strerror}): give another --jobs") from error
        try:
            _lock(self._lock)
        except OSError as error:
            self._lock.close()
            raise BadJobs(f"{folder}: another server keeps its jobs there: give another --jobs") from error

    @property
    def cache(self) -> Path:
        """Where verifications keep their finished steps."""
        return self.folder / "cache"

    @property
    def _jobs(self) -> Path:
        return self.folder / "jobs"

    def folder_of(self, job_id: str) -> Path:
        """The folder of a job."""
        assert re.fullmatch(ID_PATTERN, job_id), job_id
        return self._jobs / job_id

    def read_all(self) -> list[Job]:
        """All jobs, oldest first; a folder that holds none is passed over with a warning in the log."""
        found = []
        for folder in self._jobs.iterdir():
            try:
                job = Job.model_validate_json((folder / JOB).read_text(encoding="utf-8"))
                if job.id != folder.name:
                    raise ValueError(f"it holds {job.id}")
                found.append(job)
            except (OSError, ValueError, ValidationError) as error:
                _log.warning("%s is no job and is passed over (%s)", folder, str(error).splitlines()[0])
        return sorted(found, key=lambda job: (job.created, job.id))

    def add(self, job: Job, crystal: Crystal) -> None:
        """Store a new job."""
        write_text(self.folder_of(job.id) / STRUCTURE, Structure.of(crystal).model_dump_json())
        self.save(job)

    def save(self, job: Job) -> None:
        """Store the state of a job; how far it is and its place in the queue are not kept."""
        kept = job.changed(progress=None, position=None)
        write_text(self.folder_of(job.id) / JOB, kept.model_dump_json())

    def forget(self, job: Job) -> None:
        """Remove a job and its files; what it left in the cache stays."""
        shutil.rmtree(self.folder_of(job.id), ignore_errors=True)

    def structure(self, job: Job) -> Structure:
        """The structure of a job.

        Raises:
            BadJobs: It is missing or damaged.
        """
        path = self.folder_of(job.id) / STRUCTURE
        try:
            return Structure.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise BadJobs(f"the structure of job {job.id} is missing or damaged: ask for the job again") from error

    def crystal(self, job: Job) -> Crystal:
        """The crystal of a job.

        Raises:
            BadJobs: It is missing or damaged.
        """
        crystal = self.structure(job).crystal()
        if isinstance(crystal, Rejection):
            raise BadJobs(crystal.reason)
        return crystal

    def result(self, job: Job) -> dict[str, Any] | None:
        """`row`, `curves` and `files` of a job that is done, or None if they are missing or damaged."""
        try:
            content = json.loads((self.folder_of(job.id) / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def file(self, job: Job, name: str) -> Path | None:
        """The path of a file to download, or None if there is no such file."""
        path = self.folder_of(job.id) / FILES / name
        return path if _FILE_NAME.fullmatch(name) and path.is_file() else None

    def close(self) -> None:
        """Let another server use the folder."""
        self._lock.close()


def _lock(file: IO[str]) -> None:
    """Lock a file for this process, where the system can.

    Raises:
        OSError: Another process has locked it.
    """
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

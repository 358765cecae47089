"""A client of `kappatune serve` for Python programs.

>>> from kappatune.client import Client
>>> server = Client("http://127.0.0.1:8000")                                                   # doctest: +SKIP
>>> server.predict("mgo.cif")[0].kappa_w_mk                                                    # doctest: +SKIP
52.7
>>> job = server.submit("mgo.cif", "verify")                                                   # doctest: +SKIP
>>> server.wait(job.id).summary.verdict                                                        # doctest: +SKIP
'agrees'
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import requests

from kappatune.errors import UserError
from kappatune.jobs.record import Job, JobCost, Kind, Quality
from kappatune.jobs.result import JobResult
from kappatune.model.prediction import Prediction
from kappatune.model.rows import row_without_value
from kappatune.results import Results
from kappatune.structures import Crystal, Input, Rejection, as_entries
from kappatune.structures.plain import Structure

BATCH = 500
"""Crystals per request."""

_ANSWER_S = 330.0
_SILENCE_S = 60.0
_RECONNECT_S = 1.0


class ServerError(UserError):
    """The server refused a request or cannot be reached; the message is its own.

    Attributes:
        status: HTTP status; 0 if there was no answer.
        retry_after_s: When to try again, s; None where that would not help.
    """

    def __init__(self, message: str, status: int = 0, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class Client:
    """A running `kappatune serve`.

    Attributes:
        url: Its address, as it prints it.
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def predict(
        self, structures: Input | Iterable[Input], fidelity: str | None = None, temperature_k: float = 300.0
    ) -> Results[Prediction]:
        """Predict crystals, as `kappatune.predict` does.

        Args:
            structures: As for `kappatune.predict`; files are read here.
            fidelity: Rung; the model's last by default.
            temperature_k: K.

        Returns:
            One row per crystal, in order.

        Raises:
            ServerError: The server refuses, or cannot be reached.
        """
        entries, rows = list(as_entries(structures)), Results[Prediction]()
        asked = {"temperature_k": temperature_k, **({"fidelity": fidelity} if fidelity else {})}
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            crystals = [_plain(entry) for entry in batch if isinstance(entry, Crystal)]
            answers: Iterator[dict[str, Any]] = iter(())
            if crystals:
                answers = iter(self._post("predict", {"structures": crystals}, params=asked)["rows"])
            for entry in batch:
                if isinstance(entry, Rejection):
                    row = row_without_value(entry, entry.reason)
                    rows.append(row.model_copy(update={"temperature_k": temperature_k}))
                else:
                    rows.append(Prediction(**{**next(answers), "id": entry.id, "file": entry.file}))
        return rows

    def explain(self, structure: Input) -> dict[str, Any]:
        """Everything about one crystal; `crystal` of the answer is its hash.

        Raises:
            ServerError: The server refuses, or cannot be reached.
        """
        return self._post("explain", _plain(_single(structure)))

    def crystal(self, key: str) -> dict[str, Any]:
        """The same of a crystal that the server knows, by its hash, with its jobs.

        Raises:
            ServerError: The server does not know it.
        """
        return self._get(f"crystals/{key}")

    def search(self, formula: str, limit: int = 50) -> list[dict[str, Any]]:
        """Crystals by formula (`PbTe`) or chemical system (`Pb-Te`).

        Raises:
            ServerError: The text is neither.
        """
        found: list[dict[str, Any]] = self._get("search", formula=formula, limit=limit)["found"]
        return found

    def estimate(self, structure: Input, kind: Kind, quality: Quality | None = None) -> JobCost:
        """What a job would cost.

        Raises:
            ServerError: The crystal cannot be computed; the message says why.
        """
        answer = self._post("jobs/estimate", _job_body(structure, kind, quality))
        if answer["cost"] is None:
            raise ServerError(answer["reason"], 200)
        return JobCost(**answer["cost"])

    def submit(self, structure: Input, kind: Kind, quality: Quality | None = None) -> Job:
        """Ask for a job; the same request for the same crystal is the same job.

        Args:
            structure: A structure, a path, or the hash of a crystal that the server knows.
            kind: `agl` or `verify`.
            quality: Accuracy of `verify`, `quick` by default.

        Raises:
            ServerError: The crystal is too large, the queue is full, or the server computes nothing.
        """
        return Job(**self._post("jobs", _job_body(structure, kind, quality)))

    def jobs(self, **wanted: str) -> list[Job]:
        """Jobs, newest first; `crystal` (a hash) and `state` choose some.

        Raises:
            ServerError: The server computes nothing.
        """
        return [Job(**job) for job in self._get("jobs", **wanted)["jobs"]]

    def job(self, job_id: str) -> Job:
        """A job as it is now.

        Raises:
            ServerError: There is no such job.
        """
        return Job(**self._get(f"jobs/{job_id}"))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job.

        Raises:
            ServerError: There is no such job.
        """
        return Job(**self._post(f"jobs/{job_id}/cancel", None))

    def events(self, job_id: str) -> Iterator[Job]:
        """The job at once and at every change, until it has ended or the server stops.

        Raises:
            ServerError: There is no such job, or the server cannot be reached.
        """
        return (job for job in self._news(job_id, _SILENCE_S) if job is not None)

    def _news(self, job_id: str, silence_s: float) -> Iterator[Job | None]:
        """The same, and None where the server only says that it is alive; it breaks off after a silence, s."""
        answer = self._request("GET", f"jobs/{job_id}/events", stream=True, timeout=silence_s)
        event = ""
        try:
            with answer:
                for line in answer.iter_lines(decode_unicode=True, delimiter="\n"):
                    if line.startswith(":"):
                        yield None
                    elif line.startswith("event: "):
                        event = line.removeprefix("event: ")
                    elif line.startswith("data: ") and event == "job":
                        yield Job(**json.loads(line.removeprefix("data: ")))
        except requests.RequestException as error:
            raise ServerError(f"{self.url}: the connection broke ({error})") from error

    def wait(
        self, job_id: str, timeout_s: float | None = None, on_progress: Callable[[Job], None] | None = None
    ) -> Job:
        """Wait until a job has ended, through restarts of the server.

        Args:
            job_id: Of the job.
            timeout_s: Longest wait, s; None waits as long as it takes.
            on_progress: Called with the job at every change.

        Raises:
            TimeoutError: The time is up; the job goes on.
            ServerError: There is no such job.
        """
        end = None if timeout_s is None else monotonic() + timeout_s
        while True:
            try:
                silence = _SILENCE_S if end is None else min(_SILENCE_S, max(end - monotonic(), 0.1))
                for job in self._news(job_id, silence):
                    if job is not None and on_progress is not None:
                        on_progress(job)
                    if job is not None and job.has_ended:
                        return job
                    if end is not None and monotonic() > end:
                        raise TimeoutError(f"{job_id} has not ended")
            except ServerError as error:
                if error.status not in {0, 503}:
                    raise
            if end is not None and monotonic() > end:
                raise TimeoutError(f"{job_id} has not ended")
            sleep(_RECONNECT_S)

    def result(self, job_id: str) -> JobResult:
        """The result of a job that is done.

        Raises:
            ServerError: It has none, or none yet.
        """
        return JobResult(**self._get(f"jobs/{job_id}/result"))

    def download(self, job_id: str, folder: str | Path) -> list[Path]:
        """Download the files of a result.

        Args:
            job_id: Of the job.
            folder: Created if it does not exist.

        Raises:
            ServerError: There is no result.
        """
        folder, paths = Path(folder), []
        names = [file.name for file in self.result(job_id).files]
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            if Path(name).name != name:
                raise ServerError(f"the server names a file {name!r}, which is not a plain name")
            path = folder / name
            path.write_bytes(self._request("GET", f"jobs/{job_id}/files/{name}").content)
            paths.append(path)
        return paths

    def _get(self, path: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._request("GET", path, params=params).json()
        return answer

    def _post(self, path: str, body: object, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._request("POST", path, json=body, **options).json()
        return answer

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        options = {"timeout": _ANSWER_S, **options}
        try:
            answer = self._session.request(method, f"{self.url}/api/v1/{path}", **options)
        except requests.RequestException as error:
            raise ServerError(
                f"{self.url}: no answer ({type(error).__name__}): is `kappatune serve` running?"
            ) from error
        if answer.ok:
            return answer
        try:
            message = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            message = f"{self.url}: HTTP status {answer.status_code}"
        retry = answer.headers.get("Retry-After", "")
        raise ServerError(message, answer.status_code, int(retry) if retry.isdecimal() else None)


def _single(structure: Input) -> Crystal:
    entries = list(as_entries(structure))
    if len(entries) != 1:
        raise ServerError(f"one crystal is asked for, and there are {len(entries)}: give one")
    (entry,) = entries
    if isinstance(entry, Rejection):
        raise ServerError(f"{entry.id}: {entry.reason}")
    return entry


def _plain(crystal: Crystal) -> dict[str, Any]:
    return Structure.of(crystal).model_dump()


def _job_body(structure: Input, kind: Kind, quality: Quality | None) -> dict[str, Any]:
    what = {"kind": kind, **({"quality": quality} if quality else {})}
    if isinstance(structure, str) and len(structure) == 16 and not set(structure) - set("0123456789abcdef"):
        return {**what, "crystal": structure}
    return {**what, "structure": _plain(_single(structure))}

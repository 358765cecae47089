"""`/api/v1/jobs` with a potential that takes no time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from starlette.testclient import TestClient

from kappatune.structures.plain import Structure
from kappatune.web.app import create_app
from kappatune.web.batching import RequestBatcher
from kappatune.web.job_stream import END, JobStreams
from kappatune.web.kept_crystals import KeptCrystals
from kappatune.web.service import Service
from kappatune.web.upload_reader import UploadReader
from tests.jobs.toys import AGL, copper, ended, huge, queue


def plain(crystal) -> dict:
    return Structure.of(crystal).model_dump()


@pytest.fixture(scope="module")
def computing(service, tmp_path_factory) -> Iterator[Service]:
    """The service of the other tests with a queue."""
    with queue(tmp_path_factory.mktemp("jobs"), start=False) as jobs:
        parts = {"batcher": RequestBatcher(service.model), "reader": UploadReader(service.limits, 1)}
        yield replace(service, jobs=jobs, kept=KeptCrystals(), streams=JobStreams(), **parts)


@pytest.fixture(scope="module")
def http(computing) -> Iterator[TestClient]:
    with TestClient(create_app(computing), base_url="http://127.0.0.1:8000") as client:
        yield client


def test_a_server_computes_nothing_unless_it_is_told_to(client):
    assert client.get("/api/v1/model").json()["compute"] is None
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/events"), ("POST", "/estimate")):
        answer = client.request(method, f"/api/v1/jobs{path}", json={"kind": "agl", "structure": plain(copper())})
        assert answer.status_code == 404 and "kappatune serve --compute" in answer.json()["detail"]


def test_from_the_cost_to_the_files(http):
    said = http.get("/api/v1/model").json()["compute"]
    assert said["kinds"] == ["agl", "verify"] and said["limits"]["atoms"] == 20 and said["workers"] == 1
    body = {"kind": "agl", "structure": plain(copper())}
    cost = http.post("/api/v1/jobs/estimate", json=body).json()
    assert cost["allowed"] and cost["job"] is None and "evaluations of 1 atoms, about" in cost["text"]
    asked = http.post("/api/v1/jobs", json=body)
    job = asked.json()
    assert asked.status_code == 202 and job["state"] in {"queued", "running", "done"} and job["cost"] == cost["cost"]
    events = http.get(f"/api/v1/jobs/{job['id']}/events")
    assert events.headers["content-type"].startswith("text/event-stream") and events.text.endswith(END)
    told = [json.loads(line[6:]) for line in events.text.splitlines() if line.startswith("data: ")]
    assert told[-2]["state"] == "done" and told[-2]["summary"]["kappa_w_mk"] > 0
    again = http.post("/api/v1/jobs", json=body)
    assert again.status_code == 200 and again.json() == told[-2]
    assert http.post("/api/v1/jobs/estimate", json=body).json()["job"]["id"] == job["id"]
    result = http.get(f"/api/v1/jobs/{job['id']}/result").json()
    assert result["curves"]["energy_volume"]["volume_a3"] and result["row"]["kappa_w_mk"] > 0
    for file in result["files"]:
        sent = http.get(f"/api/v1/jobs/{job['id']}/files/{file['name']}")
        assert len(sent.content) == file["bytes"] and f"Cu-{job['id']}-" in sent.headers["content-disposition"]
    found = http.get(f"/api/v1/crystals/{job['crystal']}").json()
    assert [one["id"] for one in found["jobs"]] == [job["id"]] and found["structure"]["species"] == ["Cu"]
    listed = http.get(f"/api/v1/jobs?crystal={job['crystal']}&state=done").json()
    assert [one["id"] for one in listed["jobs"]] == [job["id"]] and listed["queued"] == listed["running"] == 0
    by_address = http.post("/api/v1/jobs", json={"kind": "agl", "crystal": job["crystal"]})
    assert by_address.status_code == 200 and by_address.json()["id"] == job["id"]


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"kind": "agl", "structure": plain(huge())}, 413, "give the primitive cell"),
        ({"kind": "agl", "crystal": "0000000000000000"}, 404, "send its file again"),
        ({"kind": "agl"}, 422, "one of structure and crystal"),
        ({"kind": "agl", "quality": "quick", "structure": plain(copper())}, 422, "agl has no quality"),
        ({"kind": "magic", "structure": plain(copper())}, 422, "agl"),
        ({"kind": "agl", "calculator": "evil.py:make", "structure": plain(copper())}, 422, "calculator"),
        ({"kind": "agl", "structure": {**plain(copper()), "species": ["Qq"]}}, 422, "Qq"),
        ({"kind": "verify", "structure": {**plain(copper()), "lattice": np.diag([1e3] * 3).tolist()}}, 422, "per atom"),
    ],
)
def test_requests_that_make_no_sense_get_a_sentence(http, body, status, word):
    for path in ("/api/v1/jobs", "/api/v1/jobs/estimate"):
        answer = http.post(path, json=body)
        assert answer.status_code == status and word in answer.json()["detail"], answer.text


def test_jobs_and_files_that_are_not_there(http, computing):
    job = http.post("/api/v1/jobs", json={"kind": "agl", "structure": plain(copper(3.62))}).json()
    ended(computing.jobs, job["id"])
    for name in ("nothing.txt", "..%2fjob.json", "%2e%2e%2fjob.json", ".hidden", "row.json%00"):
        assert http.get(f"/api/v1/jobs/{job['id']}/files/{name}").status_code == 404, name
    for path in ("", "/result", "/events", "/files/row.json"):
        assert http.get(f"/api/v1/jobs/agl-0000000000000000{path}").status_code == 404
    assert http.get("/api/v1/jobs/..").status_code in {404, 422}
    assert http.get("/api/v1/jobs/AGL-1").status_code == 422
    assert http.post("/api/v1/jobs/agl-0000000000000000/cancel").status_code == 404


def test_a_full_queue_is_a_503_and_cancelling_makes_room(tmp_path, computing):
    with queue(tmp_path, start=False) as jobs:
        app = create_app(replace(computing, jobs=jobs))
        http = TestClient(app, base_url="http://localhost")
        sent = [
            http.post("/api/v1/jobs", json={"kind": "agl", "structure": plain(copper(3.6 + 0.01 * k))})
            for k in range(6)
        ]
        assert [answer.status_code for answer in sent] == [202] * 5 + [503]
        assert "try again later" in sent[5].json()["detail"] and sent[5].headers["retry-after"]
        first = sent[0].json()["id"]
        assert http.get(f"/api/v1/jobs/{first}/result").status_code == 409
        assert http.post(f"/api/v1/jobs/{first}/cancel").json()["state"] == "cancelled"
        assert http.get("/api/v1/jobs").json()["queued"] == 4
        again = http.post("/api/v1/jobs", json={"kind": "agl", "structure": plain(copper(3.6))})
        assert again.status_code == 202 and again.json()["position"] == 5
        assert jobs.job(first).state == "queued"


def test_streams_that_nobody_reads_make_room_for_others(tmp_path):
    async def work() -> None:
        with queue(tmp_path, start=False) as jobs:
            streams = JobStreams()
            for _ in range(2 * jobs.limits.watchers):
                events = await streams.open(jobs)
                del events  # as where a client is gone before its answer begins
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert not jobs._watchers

    in_a_thread(work)


def in_a_thread(work):
    """What a coroutine function gives, also where the browser of other tests has a loop in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


def test_a_stream_of_all_jobs_tells_the_latest_state_and_ends_with_the_server(tmp_path):
    async def work() -> list[str]:
        with queue(tmp_path, start=False) as jobs:
            streams, told = JobStreams(), []
            first = jobs.submit(AGL, copper())[0]
            events = await streams.open(jobs)
            told.append(await anext(events))
            for k in range(3):
                jobs.submit(AGL, copper(3.61 + 0.01 * k))
            jobs.cancel(first.id)
            told += [await asyncio.wait_for(anext(events), 5) for _ in range(4)]
            streams.end()
            assert [left async for left in events] == []
            assert [event async for event in await streams.open(jobs)] and not jobs._watchers
            return told

    told = [json.loads(event.split("data: ")[1]) for event in in_a_thread(work)]
    assert [job["state"] for job in told].count("cancelled") == 1
    assert sorted(job["position"] for job in told if job["state"] == "queued") == [1, 1, 2, 3]

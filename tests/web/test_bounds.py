"""What keeps a server alive: processes that may be killed, slots, batches of small requests, requests that stop."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request

from kappatune.model.prediction import Prediction, PredictionDetails
from kappatune.structures import Rejection
from kappatune.web import upload_reader, uploads
from kappatune.web.app import create_app
from kappatune.web.batching import RequestBatcher
from kappatune.web.connection import while_connected
from kappatune.web.limits import Limits, RequestError, RequestQueue
from kappatune.web.upload_reader import UploadReader
from kappatune.web.uploads import Upload, display_name
from tests.builders import rocksalt
from tests.web import harm, hostile


class SlowModel:
    """Notes what it is asked for, and takes its time."""

    def __init__(self, seconds: float = 0.0, fails_for: str = "") -> None:
        self.seconds, self.fails_for, self.batches = seconds, fails_for, []

    def predict_with_details(self, entries, fidelity):
        time.sleep(self.seconds)
        if any(entry.id == self.fails_for for entry in entries):
            raise RuntimeError("no memory")
        self.batches.append((fidelity, [entry.id for entry in entries]))
        return [PredictionDetails(Prediction(id=entry.id)) for entry in entries]


async def batching(model, work):
    batcher = RequestBatcher(model)
    task = asyncio.create_task(batcher.run())
    try:
        return await work(batcher)
    finally:
        task.cancel()
        batcher.close()


def crystal(name: str):
    return rocksalt(12, 8, 4.2, name)


def test_small_requests_reach_the_network_together():
    model = SlowModel(0.05)

    async def work(batcher):
        answers = await asyncio.gather(*(batcher.predict([crystal(str(k))], "dft") for k in range(40)))
        return batcher.batches, answers

    batches, answers = asyncio.run(batching(model, work))
    assert [answer[0].prediction.id for answer in answers] == [str(k) for k in range(40)]
    assert batches <= 2
    assert max(len(names) for _, names in model.batches) > 1


def test_rungs_are_not_mixed_and_a_large_request_lets_others_in_between():
    model = SlowModel(0.02)

    async def work(batcher):
        large = asyncio.create_task(batcher.predict([crystal(f"L{k}") for k in range(320)], "dft"))
        await asyncio.sleep(0.03)
        await batcher.predict([crystal("small")], "agl")
        assert not large.done()
        return await large

    assert len(asyncio.run(batching(model, work))) == 320
    for fidelity, names in model.batches:
        assert all((name == "small") == (fidelity == "agl") for name in names)


def test_what_is_cancelled_does_not_reach_the_network():
    model = SlowModel(0.1)

    async def work(batcher):
        first = asyncio.create_task(batcher.predict([crystal("first")], "dft"))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(batcher.predict([crystal(f"second-{k}") for k in range(200)], "dft"))
        await asyncio.sleep(0.01)
        second.cancel()
        await first
        await batcher.predict([crystal("third")], "dft")

    asyncio.run(batching(model, work))
    assert [name for _, names in model.batches for name in names] == ["first", "third"]


def test_a_crystal_that_breaks_the_network_harms_no_other():
    model = SlowModel(fails_for="bad")

    async def work(batcher):
        return await batcher.predict([crystal(name) for name in ("a", "bad", "b")], "dft")

    rows = [details.prediction for details in asyncio.run(batching(model, work))]
    assert [row.id for row in rows] == ["a", "bad", "b"]
    assert [row.reason is None for row in rows] == [True, False, True] and "RuntimeError" in rows[1].reason


def test_requests_wait_for_a_slot_and_are_refused_beyond_the_queue():
    async def work():
        queue = RequestQueue(Limits(active=1, waiting=1, wait_s=0.2))
        async with queue.slot():
            waiting = asyncio.create_task(enter(queue))
            await asyncio.sleep(0.01)
            with pytest.raises(RequestError, match="queue is full") as refused:
                await enter(queue)
            assert (refused.value.status, refused.value.retry_after_s) == (503, 5)
            with pytest.raises(RequestError, match="too long"):
                await waiting
        await enter(queue)

    async def enter(queue):
        async with queue.slot():
            pass

    asyncio.run(work())


@pytest.mark.parametrize(("what", "word"), [(harm.sleep, "more than 1 s"), (harm.die, "crashed the worker")])
def test_a_file_that_harms_its_reader_becomes_a_reason(monkeypatch, what, word):
    async def work():
        reader = UploadReader(Limits(parse_s=1.0), processes=1)
        try:
            await reader.warm_up()
            with monkeypatch.context() as patch:
                patch.setattr(upload_reader, "read_upload", what)
                (entry,) = await reader.read(Upload("bad.cif", b""))
            good = await reader.read(Upload("good.cif", hostile.CIF.encode()))
            return entry, good
        finally:
            reader.close()

    entry, good = asyncio.run(work())
    assert isinstance(entry, Rejection) and word in entry.reason and entry.file == "bad.cif"
    assert good[0].formula == "NaCl"


def test_readers_that_were_killed_are_replaced():
    others = {process.pid for process in multiprocessing.active_children()}

    async def work():
        reader = UploadReader(Limits(), processes=1)
        try:
            await reader.warm_up()
            for _ in range(2):
                for process in multiprocessing.active_children():
                    if process.pid not in others:
                        os.kill(process.pid, signal.SIGKILL)
                await asyncio.sleep(0.5)
                (entry,) = await reader.read(Upload("good.cif", hostile.CIF.encode()))
                assert entry.formula == "NaCl"
        finally:
            reader.close()

    asyncio.run(work())


def test_a_reader_whose_request_is_gone_is_ended(monkeypatch):
    async def work():
        reader = UploadReader(Limits(parse_s=50.0), processes=1)
        try:
            await reader.warm_up()
            with monkeypatch.context() as patch:
                patch.setattr(upload_reader, "read_upload", harm.sleep)
                task = asyncio.create_task(reader.read(Upload("slow.cif", b"")))
                await asyncio.sleep(0.3)
                task.cancel()
            async with asyncio.timeout(20):
                return await reader.read(Upload("good.cif", hostile.CIF.encode()))
        finally:
            reader.close()

    assert asyncio.run(work())[0].formula == "NaCl"


def test_work_stops_when_its_sender_goes_away():
    stopped = []

    async def work():
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            stopped.append(True)
            raise

    async def receive():
        await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    async def ask():
        with pytest.raises(ClientDisconnect):
            await while_connected(Request({"type": "http"}, receive), work())

    asyncio.run(ask())
    assert stopped == [True]


@pytest.mark.parametrize("name", hostile.NAMES)
def test_names_are_made_harmless(name):
    shown = display_name(name)
    assert len(shown) <= uploads.NAME_LENGTH and shown.isprintable()
    assert shown.endswith(name.strip()[-4:]) or not name.strip()


def test_many_clients_at_once_all_get_their_own_answer(client):
    def ask(k: int) -> str:
        text = hostile.POSCAR.replace("2.106", f"{2.0 + k / 500:.3f}")
        answer = client.post("/api/v1/predict", json={"files": [{"name": f"{k}.vasp", "text": text}]})
        (row,) = answer.json()["rows"]
        assert row["kappa_w_mk"] is not None
        return row["id"]

    before = client.get("/healthz").json()
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(64))) == [str(k) for k in range(64)]
    after = client.get("/healthz").json()
    assert after["crystals"] - before["crystals"] == 64
    assert after["batches"] - before["batches"] < 64


def test_a_request_that_takes_too_long_is_refused(service, monkeypatch):
    from dataclasses import replace

    hurried = replace(service, limits=service.limits.model_copy(update={"request_s": 0.05}))

    async def never(*_):
        await asyncio.sleep(30)

    async def ask():
        app = create_app(hurried)
        monkeypatch.setattr(hurried.reader, "read", never)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            whole = await http.post("/api/v1/predict", json={"files": [{"text": hostile.CIF}]})
            headers = {"Accept": "application/x-ndjson"}
            lines = await http.post("/api/v1/predict", json={"files": [{"text": hostile.CIF}]}, headers=headers)
            return whole, lines

    whole, lines = asyncio.run(ask())
    assert whole.status_code == 503 and "more than 0.05 s" in whole.json()["detail"] and whole.headers["retry-after"]
    assert "more than 0.05 s" in lines.text

"""Two hundred hostile uploads, and random requests made from the description: the server keeps serving."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis
import pytest

from tests.web import hostile

N_EXAMPLES = 20


def send(client, name: str, content: bytes):
    return client.post("/api/v1/predict", files=[("files", (name, content))])


@pytest.mark.slow
def test_hostile_uploads_leave_it_serving(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = send(client, "POSCAR", hostile.POSCAR.encode()).json()["rows"]
    uploads = hostile.uploads()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: send(client, *one), uploads))
    for (name, _), answer in zip(uploads, answers, strict=True):
        assert answer.status_code in (200, 413, 422), (name[:80], answer.status_code, answer.text[:300])
        if answer.status_code == 200:
            rows = answer.json()["rows"]
            assert rows and all(row["kappa_w_mk"] is not None or row["reason"] for row in rows), name[:80]
            assert all("\n" not in (row["file"] or "") for row in rows)
        else:
            assert len(answer.json()["detail"]) > 10
    assert send(client, "POSCAR", hostile.POSCAR.encode()).json()["rows"] == good
    assert client.get("/healthz").json()["status"] == "ok"
    assert list(tmp_path.iterdir()) == [] and not Path("/tmp/hacked.cif").exists()


@pytest.mark.slow
def test_requests_made_from_the_description_never_fail(server):
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as described

    wanted = [
        checks.not_a_server_error,
        described.status_code_conformance,
        described.content_type_conformance,
        described.response_schema_conformance,
    ]
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    asked = []
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:

            @settings(
                max_examples=N_EXAMPLES,
                deadline=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
                derandomize=True,
                database=None,
            )
            @given(operation.as_strategy(generation_mode=mode))
            def ask(case):
                asked.append(case.path)
                case.call_and_validate(checks=wanted)

            with contextlib.suppress(hypothesis.errors.Unsatisfiable):  # what takes no input has no wrong input
                ask()
    assert len({*asked}) >= 9 and len(asked) > 10 * N_EXAMPLES

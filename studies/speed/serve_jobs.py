"""32 clients of `kappatune serve --compute` for a minute, without a job and while a verification runs.

    python -m studies.speed.serve_jobs

Needs phono3py and a potential. Client and server share the machine; Linux only.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from time import perf_counter, sleep
from typing import Annotated, Any

import typer

from kappatune.client import Client
from kappatune.storage import ASSETS
from studies.speed.serve import N_CLIENTS, SEED, many_clients, ten_atom_cifs
from studies.speed.serving import serving
from studies.speed.weights import shipped_weights
from studies.store import save_result

CRYSTAL = ASSETS / "textbook" / "ZnO.cif"
N_CANCELLED = 10


def main(
    seconds: Annotated[float, typer.Option(help="How long the clients send requests.")] = 60.0,
    calculator: Annotated[str, typer.Option(help="The potential of the verification.")] = "sevennet-l3i5",
    model: str = "accurate",
) -> None:
    """Time the answers, then cancel jobs as fast as the server takes them: minutes."""
    load_before = os.getloadavg()[0]
    cifs = ten_atom_cifs(100)
    with (
        tempfile.TemporaryDirectory() as name,
        serving(
            "--model", model, "--compute", "--calculator", calculator, "--jobs", str(Path(name) / "jobs")
        ) as server,
    ):
        client = Client(server.url)
        without = asyncio.run(many_clients(server, cifs, seconds))
        job = client.submit(CRYSTAL, "verify", "standard")
        wait_for_forces(client, job.id)
        during = asyncio.run(many_clients(server, cifs, seconds))
        after = client.job(job.id)
        start = perf_counter()
        client.cancel(job.id)
        client.wait(job.id, 60)
        cancelled_s = perf_counter() - start
        storm = cancel_storm(client)
    save_result(
        "serve_jobs",
        {
            "weights_sha256": shipped_weights(),
            "model": model,
            "calculator": after.potential,
            "seed": SEED,
            "n_clients": N_CLIENTS,
            "n_cores": os.cpu_count(),
            "load_average": {"before": round(load_before, 2), "after": round(os.getloadavg()[0], 2)},
            "without_job": without,
            "during_verification": {**during, "state_afterwards": after.state},
            "cancel_s": cancelled_s,
            "cancel_storm": storm,
        },
    )


def wait_for_forces(client: Client, job_id: str) -> None:
    """Wait until the first forces of a verification are known.

    Raises:
        RuntimeError: It ends before.
    """
    while (progress := (job := client.job(job_id)).progress) is None or progress.done is None:
        if job.has_ended:
            raise RuntimeError(f"the job ended before the clients began: {job.reason}")
        sleep(0.2)


def cancel_storm(client: Client) -> dict[str, Any]:
    """Ask for jobs and cancel them at once, then see that one is computed all the same."""
    start = perf_counter()
    crystals = [ASSETS / "textbook" / f"{name}.cif" for name in ("Si", "Ge", "NaCl", "GaAs", "InP")]
    for k in range(N_CANCELLED):
        client.cancel(client.submit(crystals[k % len(crystals)], "verify").id)
    seconds = perf_counter() - start
    done = client.wait(client.submit(crystals[0], "agl").id, 600)
    return {"n": N_CANCELLED, "seconds": seconds, "next_job": done.state, "next_job_after_s": perf_counter() - start}


if __name__ == "__main__":
    typer.run(main)

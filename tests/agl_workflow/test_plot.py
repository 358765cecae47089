from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kappatune.agl_workflow.plot import plot_agl
from kappatune.calculations.agl import agl_of_crystal
from kappatune.calculations.agl_settings import AglSettings
from kappatune.potentials import load_potential
from tests import toy_potentials as toy
from tests.builders import zincblende
from tests.physics.curves import vinet

pytest.importorskip("matplotlib", reason="figures need matplotlib: pip install '.[mlip]'")


@pytest.fixture(scope="module")
def silicon():
    settings = AglSettings(window=0.06, strain=0.002, displacement=0.005)
    return agl_of_crystal(zincblende(14, 14, 5.431, "Si"), load_potential(f"{Path(toy.__file__)}:silicon"), settings)


def test_figure(silicon, tmp_path):
    path = plot_agl(silicon, tmp_path / "figures", 1)
    assert path.name == "0001-Si.png" and path.stat().st_size > 10_000


def test_the_figure_leaves_out_where_1_over_t_fails(silicon, tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    drawn: list[list[float]] = []
    plot = Axes.plot
    monkeypatch.setattr(Axes, "plot", lambda self, x, *a, **k: (drawn.append(list(x)), plot(self, x, *a, **k))[1])
    assert silicon.lowest_reliable_k == pytest.approx(silicon.acoustic_debye_temperature_k / 3)
    plot_agl(silicon, tmp_path, 1)
    assert min(silicon.temperatures_k) < silicon.lowest_reliable_k
    assert drawn[-1] == [t for t in silicon.temperatures_k if t >= silicon.lowest_reliable_k]
    plot_agl(silicon.model_copy(update={"lowest_reliable_k": 2000.0}), tmp_path, 2)
    assert drawn[-1] == []


def test_the_drawn_fit_follows_the_points_at_the_minimum(silicon, tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    drawn = {}
    plot = Axes.plot
    monkeypatch.setattr(
        Axes,
        "plot",
        lambda self, x, y, *a, **k: (drawn.update({k.get("label", ""): (x, y)}), plot(self, x, y, *a, **k))[1],
    )
    volumes = 40.0 * np.linspace(0.86, 1.14, 15) ** 3
    energies = vinet(volumes, 40.0, 0.6, 6.0)
    curve = {"curve_volumes_a3": tuple(volumes), "curve_energies_ev": tuple(energies)}
    plot_agl(silicon.model_copy(update=curve), tmp_path, 1)
    ((x, y),) = (points for label, points in drawn.items() if label.startswith("fit, off by"))
    lowest = slice(5, 10)
    np.testing.assert_allclose(np.interp(volumes[lowest] / 2, x, y), energies[lowest] / 2, rtol=0, atol=1e-3)

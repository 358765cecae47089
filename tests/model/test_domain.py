from __future__ import annotations

import numpy as np
import pytest

from kappatune import KappaModel
from kappatune.model.bundle import BadBundle
from kappatune.model.domain import N_CENTRES, Domain
from kappatune.structures import Crystal


def cloud(n: int, centre: float, seed: int = 0) -> np.ndarray:
    return (centre + np.random.default_rng(seed).standard_normal((n, 8))).astype(np.float32)


def test_what_is_alike_lies_inside_and_what_is_not_outside():
    labelled = cloud(1000, 0.0)
    domain = Domain.of(labelled, [f"A{k}" for k in range(1000)])
    assert N_CENTRES <= len(domain.centres) < 1.5 * N_CENTRES and (domain.distance(labelled) <= 1).all()
    assert (domain.distance(cloud(500, 0.0, seed=1)) <= 1).mean() == pytest.approx(0.9, abs=0.05)
    assert (domain.distance(cloud(500, 6.0, seed=1)) > 1).all()


def test_the_limit_does_not_count_crystals_of_the_same_formula():
    twice = np.concatenate([cloud(60, 0.0), cloud(60, 0.0)])
    formulas = [f"A{k}" for k in range(60)]
    assert Domain.of(twice, formulas * 2).limit == pytest.approx(Domain.of(twice[:60], formulas).limit)


def test_a_domain_of_one_crystal_holds_that_crystal():
    domain = Domain.of(cloud(1, 0.0), ["A"])
    assert domain.distance(cloud(1, 0.0))[0] <= 1 < domain.distance(cloud(1, 0.1))[0]


def test_a_family_extends_a_domain_and_scattered_crystals_do_not():
    near = Domain.of(cloud(50, 0.0), [f"A{k}" for k in range(50)])
    family, formulas = cloud(30, 9.0), [f"B{k}" for k in range(30)]
    more = near.extended(family, formulas)
    assert more.limit == near.limit
    for centre in (0.0, 9.0):
        assert (more.distance(cloud(50, centre, seed=1)) <= 1).mean() > 0.5
    assert (near.distance(family) > 1).all()
    scattered = np.linspace(10.0, 400.0, 30, dtype=np.float32)[:, None] + family
    assert near.extended(scattered, formulas) is near


def test_many_crystals_of_one_formula_do_not_extend_a_domain():
    near = Domain.of(cloud(50, 0.0), [f"A{k}" for k in range(50)])
    assert near.extended(cloud(600, 9.0), ["B"] * 600) is near


def test_the_shipped_model_knows_its_domain(tmp_path):
    model = KappaModel.load("fast")
    assert model.domains.keys() == set(model.card.fidelities) == model.card.domain_limit.keys()
    rocksalt = Crystal(
        lattice=np.array([[0.0, 2.1, 2.1], [2.1, 0.0, 2.1], [2.1, 2.1, 0.0]]),
        numbers=np.array([12, 8]),
        frac_coords=np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
    )
    tungsten = Crystal(
        lattice=3.16 * np.eye(3), numbers=np.array([74, 74]), frac_coords=np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    )
    inside, outside = model.predict([rocksalt, tungsten])
    assert inside.in_domain and inside.reason is None
    assert outside.in_domain is False and "times the limit of the domain" in (outside.reason or "")
    model.save(tmp_path / "copy")
    again = KappaModel.load(tmp_path / "copy")
    assert again.domains["dft"].centres == pytest.approx(model.domains["dft"].centres)
    assert again.predict([rocksalt, tungsten]) == [inside, outside]


def test_a_domain_that_does_not_fit_is_refused(tmp_path):
    model = KappaModel.load("fast")
    model.domains = {"dft": Domain(np.zeros((3, 5), dtype=np.float32), 1.0)}
    model.save(tmp_path / "odd")
    with pytest.raises(BadBundle, match="domain of 'dft'"):
        KappaModel.load(tmp_path / "odd")

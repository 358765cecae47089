"""`KappaModel`: the object users hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from kappatune.errors import UserError
from kappatune.model.bundle import ModelCard, load_bundle, save_bundle
from kappatune.model.domain import Domain
from kappatune.model.graphs import CrystalGraphs, GraphBatch, build_graphs
from kappatune.model.heads import Head, KappaNetwork, debye_temperature, descriptors
from kappatune.physics.slack import CLASSICAL_FROM, GRUNEISEN_RANGE, acoustic_debye_temperature
from kappatune.storage import ASSETS
from kappatune.structures import Crystal, Rejection
from kappatune.structures.crystal import element_symbol
from kappatune.structures.inputs import Input, as_entries

SHIPPED = ASSETS / "models"
INTERVAL_SIGMAS = 1.645
"""Half-width of the interval in standard deviations of ln kappa over the members: 90 % of a normal law."""

TRAINING_TEMPERATURE_K = 300.0
"""Temperature of the values models learn, K; at any other, kappa follows from `at_temperature`."""

_CHUNK = 256
_EDGES_PER_BATCH = 4_000


class Prediction(BaseModel):
    """One row of an answer: a crystal's conductivity, or why there is none.

    Attributes:
        id: Name of the crystal.
        file: File it came from.
        formula: Reduced formula.
        temperature_k: Temperature of kappa, K.
        kappa_w_mk: Lattice thermal conductivity, W/(m K); geometric mean over the members.
        lower_w_mk: Lower end of the interval, W/(m K).
        upper_w_mk: Upper end of the interval, W/(m K): 90 % of crystals lie inside, as far as the model's card holds a
            calibration for the rung; otherwise it is what the model makes of its own spread.
        debye_temperature_k: Debye temperature of the primitive cell, K; null if the model does not know it.
        gruneisen: Grüneisen parameter; null if the model does not know it.
        in_domain: Whether the crystal resembles what the model was trained on, and 1/T holds at the temperature.
        reason: Why there is no answer, or why the row is out of domain.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    file: str | None = None
    formula: str | None = None
    temperature_k: float = TRAINING_TEMPERATURE_K
    kappa_w_mk: float | None = None
    lower_w_mk: float | None = None
    upper_w_mk: float | None = None
    debye_temperature_k: float | None = None
    gruneisen: float | None = None
    in_domain: bool | None = None
    reason: str | None = None


class MemberOutputs(NamedTuple):
    """What each member says, (n_members, n_crystals) each.

    Attributes:
        ln_kappa: ln of kappa in W/(m K).
        debye_temperature_k: K; NaN if unknown.
        gruneisen: NaN if unknown.
        spread_ln: Standard deviation of ln kappa by each member's own correction; 0 if it makes none.
        embedding: (n_crystals, d) of the first member's host.
    """

    ln_kappa: NDArray[np.float64]
    debye_temperature_k: NDArray[np.float64]
    gruneisen: NDArray[np.float64]
    spread_ln: NDArray[np.float64]
    embedding: NDArray[np.float32]


class PredictionDetails(NamedTuple):
    """A prediction at 300 K and what lies behind it.

    Attributes:
        prediction: The row.
        members_w_mk: (n_members,) kappa of each member, W/(m K); None without a network's answer.
        embedding: (d,) of the first member's host; None without a network's answer.
        acoustic_debye_temperature_k: That of the row times n^(-1/3), n of the primitive cell, K; None if unknown.
        members_debye_temperature_k: (n_members,) K, of the primitive cell; None if unknown.
        members_gruneisen: (n_members,); None if unknown.
        n_primitive: Atoms in the primitive cell; None without a network's answer.
    """

    prediction: Prediction
    members_w_mk: NDArray[np.float64] | None = None
    embedding: NDArray[np.float32] | None = None
    acoustic_debye_temperature_k: float | None = None
    members_debye_temperature_k: NDArray[np.float64] | None = None
    members_gruneisen: NDArray[np.float64] | None = None
    n_primitive: float | None = None


class UnknownFidelity(UserError):
    """The model was not trained on the rung that was asked for."""


class BadTemperature(UserError):
    """A temperature that no crystal has."""


def model_folder(name: str | Path) -> Path:
    """Folder of a model: a shipped name (`accurate`, `fast`) or a path."""
    shipped = SHIPPED / str(name)
    return shipped if shipped.is_dir() else Path(name).expanduser()


class KappaModel:
    """An ensemble that predicts lattice thermal conductivity.

    Attributes:
        card: What the model says about itself.
        members: The networks of the ensemble.
        domains: Where the rungs have labels; a rung may lack one.
    """

    def __init__(self, card: ModelCard, members: list[KappaNetwork], domains: dict[str, Domain] | None = None) -> None:
        self.card = card
        self.members = members
        self.domains = domains or {}
        self._seen = {element for elements in card.elements.values() for element in elements}

    @classmethod
    def load(cls, name: str | Path = "accurate") -> KappaModel:
        """Load a shipped model by name, or a model folder by path.

        Raises:
            kappatune.model.bundle.BadBundle: There is no intact model of that name.
        """
        return cls(*load_bundle(model_folder(name)))

    def save(self, folder: str | Path) -> None:
        """Write the model as a bundle folder."""
        self.card = save_bundle(Path(folder), self.card, self.members, self.domains)

    @property
    def default_fidelity(self) -> str:
        """The rung that is asked for by default: the last one trained."""
        return self.card.fidelities[-1]

    @property
    def cutoff(self) -> float:
        """Cutoff of the graphs, Å."""
        return self.members[0].host.cutoff_angstrom

    @property
    def embedding_scale(self) -> NDArray[np.float32]:
        """(d,) scale of the embedding over the crystals of the first rung: distances are in its units."""
        head = cast(Head, self.members[0].heads[self.card.fidelities[0]])
        scale: NDArray[np.float32] = head.spread.numpy()[: self.members[0].embedding_size]
        return scale

    def supports(self, crystal: Crystal) -> bool:
        """Whether the host knows every element of the crystal."""
        return self.members[0].host.supported_elements.issuperset(crystal.numbers.tolist())

    def predict(
        self,
        structures: Input | Iterable[Input],
        fidelity: str | None = None,
        temperature_k: float | Sequence[float] = TRAINING_TEMPERATURE_K,
    ) -> list[Prediction]:
        """Predict, one row per crystal, in order.

        Args:
            structures: pymatgen `Structure`s, ASE `Atoms`, `Crystal`s, paths, and what else
                `kappatune.structures.inputs.as_entries` reads (a file with several crystals gives several rows).
            fidelity: Rung whose value is wanted; by default the last one trained (`dft` in shipped models).
            temperature_k: Temperature of kappa, K, or several; `at_temperature` says how kappa is taken there from
                300 K.

        Returns:
            One row per crystal and temperature. A crystal without an answer has nulls and a reason.

        Raises:
            UnknownFidelity: The model has no such rung.
            BadTemperature: The temperature is not above 0 K or not finite.
        """
        return list(self.predict_stream(structures, fidelity, temperature_k))

    def predict_stream(
        self,
        structures: Input | Iterable[Input],
        fidelity: str | None = None,
        temperature_k: float | Sequence[float] = TRAINING_TEMPERATURE_K,
    ) -> Iterator[Prediction]:
        """Like `predict`, yielding rows as they are ready; memory does not grow with the input.

        Raises:
            UnknownFidelity: The model has no such rung.
            BadTemperature: The temperature is not above 0 K or not finite.
        """
        rung = fidelity or self.default_fidelity
        if rung not in self.card.fidelities:
            raise UnknownFidelity(
                f"model '{self.card.name}' does not answer for '{rung}': it knows {', '.join(self.card.fidelities)}"
            )
        temperatures = _checked_temperatures(temperature_k)
        entries = as_entries(structures)
        chunks = iter(lambda: list(islice(entries, _CHUNK)), [])
        return chain.from_iterable(
            (at_temperature(details, t) for details in self.predict_with_details(chunk, rung) for t in temperatures)
            for chunk in chunks
        )

    def member_outputs(self, graphs: CrystalGraphs, fidelity: str) -> MemberOutputs:
        """What every member says of every crystal, of which there is at least one."""
        parts = [self._batch_outputs(graphs.batch(indices), fidelity) for indices in _batches(graphs)]
        ln_kappa, theta, gruneisen, spread, embedding = zip(*parts, strict=True)
        by_member = [np.concatenate(columns, axis=1) for columns in (ln_kappa, theta, gruneisen, spread)]
        return MemberOutputs(by_member[0], by_member[1], by_member[2], by_member[3], np.concatenate(embedding))

    def _batch_outputs(self, batch: GraphBatch, fidelity: str) -> MemberOutputs:
        features: dict[int, torch.Tensor] = {}
        rows = []
        scaler = self.card.scaler
        with torch.inference_mode():
            of_crystal = descriptors(batch)
            for member in self.members:
                key = id(member.host)
                if key not in features:
                    features[key] = member.features(batch)
                outputs = member(features[key], fidelity)
                ln_kappa = scaler.ln_kappa(outputs.scaled)
                theta = gruneisen = torch.full_like(ln_kappa, torch.nan)
                if outputs.properties is not None:
                    theta = debye_temperature(outputs.properties, of_crystal)
                    gruneisen = outputs.properties[:, 1].clamp(*GRUNEISEN_RANGE)
                spread = torch.zeros_like(ln_kappa) if outputs.spread is None else scaler.std * outputs.spread
                rows.append(torch.stack([ln_kappa, theta, gruneisen, spread]))
        first = features[id(self.members[0].host)][:, : self.members[0].embedding_size]
        ln_kappa, theta, gruneisen, spread = torch.stack(rows, dim=1).double().numpy()
        return MemberOutputs(ln_kappa, theta, gruneisen, spread, first.numpy())

    def predict_with_details(self, entries: list[Crystal | Rejection], fidelity: str) -> list[PredictionDetails]:
        """Predictions at 300 K of a list of entries with what lies behind them, in order."""
        crystals = [entry for entry in entries if isinstance(entry, Crystal) and self.supports(entry)]
        details: dict[int, PredictionDetails] = {}
        if crystals:
            graphs = build_graphs(crystals, self.cutoff)
            outputs = self.member_outputs(graphs, fidelity)
            members = np.stack(outputs[:4])
            distance = self.distances(outputs, fidelity)
            half = self._half_widths(outputs, fidelity, distance)
            for k, crystal in enumerate(crystals):
                n_isolated = int(graphs.n_isolated[k]) if self.members[0].host.needs_bonds else 0
                row = self._row(crystal, members[..., k], half[k], distance[k], n_isolated)
                theta, n_primitive = row.debye_temperature_k, float(graphs.n_primitive[k])
                acoustic = None if theta is None else acoustic_debye_temperature(theta, n_primitive)
                details[id(crystal)] = PredictionDetails(
                    row,
                    np.exp(outputs.ln_kappa[:, k]),
                    outputs.embedding[k],
                    acoustic,
                    members_debye_temperature_k=None if theta is None else members[1, :, k],
                    members_gruneisen=None if theta is None else members[2, :, k],
                    n_primitive=n_primitive,
                )
        return [details.get(id(entry)) or PredictionDetails(self._row_without_answer(entry)) for entry in entries]

    def distances(self, outputs: MemberOutputs, fidelity: str) -> NDArray[np.float64]:
        """(n,) distances to the labelled crystals of a rung, above 1 outside its domain; 0 if it knows none."""
        domain = self.domains.get(fidelity)
        if domain is None:
            return np.zeros(len(outputs.embedding))
        return domain.distance(outputs.embedding / self.embedding_scale)

    def _half_widths(self, outputs: MemberOutputs, fidelity: str, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) half-widths of the intervals in ln kappa; NaN where nothing is known of the spread."""
        spread = ln_kappa_spread(outputs)
        known = self.card.calibration.get(fidelity)  # type: ignore[call-overload]
        half: NDArray[np.float64] = known.half_width(spread, distance > 1) if known else INTERVAL_SIGMAS * spread
        return half

    def _row(
        self,
        crystal: Crystal,
        members: NDArray[np.float64],
        half: float,
        distance: float,
        n_isolated: int,
    ) -> Prediction:
        ln_kappa, theta, gruneisen, _ = members
        row = Prediction(id=crystal.id, file=crystal.file, formula=crystal.formula)
        if n_isolated == crystal.n_atoms:
            row.reason = (
                f"no atom has a neighbour within {self.cutoff:g} Å, so the model cannot judge this crystal: "
                "check the cell and its unit (Å)"
            )
            return row
        if not np.isfinite(ln_kappa).all():
            row.reason = "the network gave no finite value for this crystal: check that the structure is realistic"
            return row
        centre = float(ln_kappa.mean())
        row.kappa_w_mk = math.exp(centre)
        if math.isfinite(half):
            row.lower_w_mk, row.upper_w_mk = math.exp(centre - half), math.exp(centre + half)
        if np.isfinite(theta).all():
            row.debye_temperature_k, row.gruneisen = float(theta.mean()), float(gruneisen.mean())
        unseen = sorted(set(crystal.numbers.tolist()) - self._seen)
        row.in_domain = bool(not unseen and not n_isolated and distance <= 1)
        if unseen:
            row.reason = f"no training crystal contains {', '.join(map(element_symbol, unseen))}"
        elif n_isolated:
            row.reason = f"{n_isolated} of {crystal.n_atoms} atoms have no neighbour within {self.cutoff:g} Å"
        elif distance > 1:
            row.reason = f"unlike the labelled crystals: {distance:.1f} times as far from them as the domain reaches"
        return row

    def _row_without_answer(self, entry: Crystal | Rejection) -> Prediction:
        row = Prediction(id=entry.id, file=entry.file, formula=entry.formula)
        if isinstance(entry, Rejection):
            row.reason = entry.reason
        else:
            unknown = sorted(set(entry.numbers.tolist()) - self.members[0].host.supported_elements)
            row.reason = (
                f"the network knows no {', '.join(map(element_symbol, unknown))}: "
                "it was pretrained without this element, so there is no answer"
            )
        return row


def ln_kappa_spread(outputs: MemberOutputs) -> NDArray[np.float64]:
    """(n,) standard deviation of ln kappa: that of the members and that of their corrections together.

    NaN for a single member without a correction, which says nothing of its spread.
    """
    n_members = len(outputs.ln_kappa)
    between = outputs.ln_kappa.var(axis=0, ddof=1) if n_members > 1 else np.zeros(outputs.ln_kappa.shape[1])
    total = np.sqrt(between + np.square(outputs.spread_ln).mean(axis=0))
    return np.where(total > 0, total, np.nan) if n_members == 1 else total


def at_temperature(details: PredictionDetails, temperature_k: float) -> Prediction:
    """A prediction taken to another temperature: kappa(T) = kappa(300 K) 300 K / T.

    This is the law of AGL, kappa(T) = kappa(theta_a) theta_a / T (Toher et al., Phys. Rev. B 90, 174107 (2014),
    eq. 18), theta and gamma being those of 300 K; a correction by a higher rung stays the same factor. Below a third
    of the acoustic Debye temperature theta_a the number stands, but the row is out of domain. At 300 K nothing
    changes.

    Args:
        details: At 300 K.
        temperature_k: T, K, above 0.

    Returns:
        A row of its own; without a conductivity where theta is unknown and T is not 300 K.
    """
    row = details.prediction.model_copy(update={"temperature_k": temperature_k})
    if temperature_k == TRAINING_TEMPERATURE_K or row.kappa_w_mk is None:
        return row
    acoustic = details.acoustic_debye_temperature_k
    if acoustic is None:
        row.kappa_w_mk = row.lower_w_mk = row.upper_w_mk = row.in_domain = None
        row.reason = "this model knows no Debye temperature, so it answers at 300 K alone"
        return row
    factor = TRAINING_TEMPERATURE_K / temperature_k
    row.kappa_w_mk *= factor
    if row.lower_w_mk is not None and row.upper_w_mk is not None:
        row.lower_w_mk, row.upper_w_mk = row.lower_w_mk * factor, row.upper_w_mk * factor
    if temperature_k < CLASSICAL_FROM * acoustic:
        cold = (
            f"at {temperature_k:g} K, below a third of the acoustic Debye temperature ({acoustic:.0f} K), "
            "1/T no longer holds"
        )
        row.in_domain, row.reason = False, f"{row.reason}; {cold}" if row.reason else cold
    return row


def _checked_temperatures(temperature_k: float | Sequence[float]) -> list[float]:
    try:
        temperatures: list[float] = np.asarray(temperature_k, dtype=np.float64).ravel().tolist()
    except (TypeError, ValueError):
        raise BadTemperature(f"{temperature_k!r}: give a temperature in K, or a list of them") from None
    if not temperatures:
        raise BadTemperature("the list of temperatures is empty: give at least one, in K")
    for value in temperatures:
        if not 0 < value < math.inf:
            raise BadTemperature(f"the temperature is {value:g} K: give one above 0 K")
    return temperatures


def _batches(graphs: CrystalGraphs) -> Iterator[NDArray[np.int64]]:
    """Consecutive crystals with about `_EDGES_PER_BATCH` edges together."""
    bins = graphs.edge_offsets[:-1] // _EDGES_PER_BATCH
    opens = np.flatnonzero(np.r_[True, bins[1:] != bins[:-1]]) if len(bins) else np.empty(0, dtype=np.int64)
    for start, stop in zip(opens, [*opens[1:], len(bins)], strict=True):
        yield np.arange(start, stop)

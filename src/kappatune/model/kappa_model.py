"""`KappaModel`: the object users hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from kappatune.errors import UserError
from kappatune.model.bundle import CARD, load_bundle, model_folder, save_bundle
from kappatune.model.card import ModelCard
from kappatune.model.device import checked_device
from kappatune.model.domain import Domain
from kappatune.model.ensemble import MemberOutputs, member_outputs
from kappatune.model.explanation import FactorRow, TypicalCrystal, explain_prediction, factor_rows
from kappatune.model.graphs import CrystalGraphs, build_graphs
from kappatune.model.heads import Head, KappaNetwork
from kappatune.model.intervals import INTERVAL_SIGMAS, ln_kappa_spread
from kappatune.model.prediction import TRAINING_TEMPERATURE_K, Prediction, PredictionDetails
from kappatune.model.remarks import remarks_on
from kappatune.model.rows import (
    predicted_row,
    reason_for_no_value,
    reason_for_unsupported,
    reason_out_of_domain,
    row_without_value,
)
from kappatune.model.temperature import at_temperature, checked_temperatures
from kappatune.physics.slack import acoustic_debye_temperature
from kappatune.progress import Advanced, OnProgress, handler_or_default
from kappatune.results import Results
from kappatune.storage import SHIPPED_TABLES
from kappatune.structures import Crystal, LabelledTable, Rejection, read_table
from kappatune.structures.inputs import Input, as_entries

_CHUNK = 256


class UnknownFidelity(UserError):
    """The model was not trained on the rung that was asked for."""


class KappaModel:
    """An ensemble of networks that predicts lattice thermal conductivity.

    >>> model = KappaModel.load("accurate")
    >>> model.predict("mgo.cif")[0].kappa_w_mk

    Attributes:
        card: What the model is, and how it was made.
        members: The networks of the ensemble.
        domains: Where the rungs have labels; a rung may lack one.
        device: Where the networks run.
    """

    def __init__(
        self,
        card: ModelCard,
        members: list[KappaNetwork],
        domains: dict[str, Domain] | None = None,
        device: str = "cpu",
    ) -> None:
        self.card = card
        self.device = checked_device(device)
        self.members = [member.to(self.device) for member in members]
        self.domains = domains or {}
        self._seen = {element for elements in card.elements.values() for element in elements}

    @classmethod
    def load(cls, name: str | Path = "accurate", device: str = "cpu") -> KappaModel:
        """Load a shipped model by name, or a model folder by path.

        Args:
            name: `accurate`, `fast`, or the folder of a model.
            device: Where the networks run: `cpu`, `cuda`, `cuda:1`, ...

        Raises:
            kappatune.model.bundle.BadBundle: There is no intact model of that name.
            kappatune.model.device.BadDevice: There is no such device here.
            TypeError: The name is neither a string nor a path.
        """
        return cls(*load_bundle(model_folder(name)), device=device)

    def save(self, folder: str | Path) -> None:
        """Write the model as a bundle folder."""
        self.card = save_bundle(Path(folder), self.card, self.members, self.domains)

    def __repr__(self) -> str:
        n_members = len(self.members)
        rungs = ", ".join(f"{rung} ({n:,} labels)" for rung, n in self.card.n_labels.items())
        return (
            f"<KappaModel '{self.card.name}': {n_members} {'member' if n_members == 1 else 'members'}; rungs {rungs}; "
            f"predicts {self.default_fidelity} by default; on {self.device}>"
        )

    @property
    def default_fidelity(self) -> str:
        """The rung that is predicted by default."""
        return self.card.default_fidelity

    @property
    def cutoff(self) -> float:
        """Cutoff of the graphs, Å."""
        return self.members[0].host.cutoff_angstrom

    @property
    def embedding_scale(self) -> NDArray[np.float32]:
        """(d,) scale of the embedding over the crystals of the first rung: distances are in its units."""
        head = cast(Head, self.members[0].heads[self.card.fidelities[0]])
        scale: NDArray[np.float32] = head.spread.cpu().numpy()[: self.members[0].embedding_size]
        return scale

    @cached_property
    def typical_crystal(self) -> TypicalCrystal:
        """What explanations compare with: the medians over the crystals of the tables that come with kappatune.

        They are predicted once, which takes a few seconds.
        """
        crystals = [row.crystal for path in SHIPPED_TABLES.values() for row in read_table(path).rows]
        return TypicalCrystal(zip(crystals, self.predict_with_details(crystals, self.default_fidelity), strict=True))

    def supports(self, crystal: Crystal) -> bool:
        """Whether the host knows every element of the crystal."""
        return self.members[0].host.supported_elements.issuperset(crystal.numbers.tolist())

    def build_graphs(self, crystals: Sequence[Crystal]) -> CrystalGraphs:
        """The graphs of crystals, with the cutoff and by the rules of this model."""
        return build_graphs(crystals, self.cutoff, self.card.rules)

    def predict(
        self,
        structures: Input | Iterable[Input],
        fidelity: str | None = None,
        temperature_k: float | Iterable[float] = TRAINING_TEMPERATURE_K,
        on_progress: OnProgress | None = None,
    ) -> Results[Prediction]:
        """Predict kappa, in the order of the structures.

        Args:
            structures: One structure or an iterable of them: pymatgen `Structure`s, ASE `Atoms`, `Crystal`s, paths, and
                what else `kappatune.structures.inputs.as_entries` reads (a file with several crystals gives several
                rows).
            fidelity: Rung to predict; by default that of the model, `dft` in shipped ones.
            temperature_k: Temperature of kappa, K, or several of them; see `kappatune.model.temperature`.
            on_progress: Called with the number of finished rows after every 256; by default a bar on stderr shows it,
                where that is a terminal.

        Returns:
            One row per crystal, or one per crystal and temperature, crystal by crystal. A crystal that cannot be
            predicted has no numbers but a reason.

        Raises:
            UnknownFidelity: The model has no such rung.
            kappatune.model.temperature.BadTemperature: A temperature is not a number above 0 K.
        """
        temperatures = checked_temperatures(temperature_k)
        total = _n_rows(structures, len(temperatures))
        stream = self.predict_stream(structures, fidelity, temperatures)
        rows = Results(islice(stream, _CHUNK))
        if len(rows) < _CHUNK:
            return rows
        with handler_or_default(on_progress) as report:
            report(Advanced(len(rows), total, "rows"))
            while chunk := list(islice(stream, _CHUNK)):
                rows.extend(chunk)
                report(Advanced(len(rows), total, "rows"))
        return rows

    def predict_stream(
        self,
        structures: Input | Iterable[Input],
        fidelity: str | None = None,
        temperature_k: float | Iterable[float] = TRAINING_TEMPERATURE_K,
    ) -> Iterator[Prediction]:
        """Like `predict`, yielding rows as they are ready; memory does not grow with the input.

        Raises:
            UnknownFidelity: The model has no such rung.
            kappatune.model.temperature.BadTemperature: A temperature is not a number above 0 K.
        """
        rung = self._checked_fidelity(fidelity)
        temperatures = checked_temperatures(temperature_k)
        return (
            at_temperature(details, temperature)
            for _, details in self._details_stream(structures, rung)
            for temperature in temperatures
        )

    def explain(self, structures: Input | Iterable[Input], fidelity: str | None = None) -> Results[FactorRow]:
        """Why kappa at 300 K is what it is: the factors of the Slack formula beside those of a typical crystal.

        `typical_w_mk` times all factors of a crystal is its `kappa_w_mk`; the typical crystal has the median of each
        factor over the labelled crystals that come with kappatune.

        Args:
            structures: As for `predict`.
            fidelity: The rung whose value is explained; by default that of the model.

        Returns:
            One row per factor, the most important first, crystal by crystal. A crystal that cannot be explained has
            one row with a reason.

        Raises:
            UnknownFidelity: The model has no such rung.
        """
        rung = self._checked_fidelity(fidelity)
        rows = Results[FactorRow]()
        for entry, details in self._details_stream(structures, rung):
            explained = None
            if isinstance(entry, Crystal):
                explained = explain_prediction(entry, details, self.typical_crystal, rung)
            rows.extend(factor_rows(details.prediction, rung, explained))
        return rows

    def finetune(
        self,
        data: str | Path | LabelledTable | Iterable[tuple[Input, float]],
        out: str | Path | None = None,
        *,
        recipe: str | Path = "finetune",
        trust_labels: bool = False,
        on_progress: OnProgress | None = None,
    ) -> KappaModel:
        """A new model, trained from this one on your own values; this one stays as it is.

        Short for `kappatune.train(recipe, data, out, start=model)`, which says more about `data` and its errors.

        >>> mine = model.finetune("mine.csv")  # columns: id, file, kappa
        >>> mine = model.finetune([(structure, 12.3), ...], out="my-model")  # W/(m K) at 300 K

        Args:
            data: A table, or pairs of a structure and its kappa at 300 K, W/(m K). A few dozen crystals are enough.
            out: Folder of the new model, which must be empty or absent. Without it the model is in memory only; keep
                it by `save`.
            recipe: A recipe that starts from a model: a shipped name or the path of a YAML file.
            trust_labels: Train also on labels that contradict each other or seem to have another unit.
            on_progress: Called with each event; by default progress is shown on stderr if that is a terminal.
        """
        import kappatune  # training lies above the model: the public names are the only way up

        return kappatune.train(recipe, data, out, start=self, trust_labels=trust_labels, on_progress=on_progress)

    def predict_with_details(self, entries: Sequence[Crystal | Rejection], fidelity: str) -> list[PredictionDetails]:
        """Predictions at 300 K of a list of checked entries with what lies behind them, in order."""
        crystals = [entry for entry in entries if isinstance(entry, Crystal) and self.supports(entry)]
        details = {id(crystal): one for crystal, one in zip(crystals, self._details(crystals, fidelity), strict=True)}
        return [details.get(id(entry)) or PredictionDetails(self._refused(entry)) for entry in entries]

    def member_outputs(self, graphs: CrystalGraphs, fidelity: str) -> MemberOutputs:
        """What every member predicts for every crystal, of which there is at least one."""
        return member_outputs(self.members, self.card.scaler, graphs, fidelity, self.device)

    def distances(self, outputs: MemberOutputs, fidelity: str) -> NDArray[np.float64]:
        """(n,) distances to the labelled crystals of a rung, above 1 outside its domain; 0 if the rung has none."""
        domain = self.domains.get(fidelity)
        if domain is None:
            return np.zeros(len(outputs.embedding))
        return domain.distance(outputs.embedding / self.embedding_scale)

    def _checked_fidelity(self, fidelity: str | None) -> str:
        rung = self.default_fidelity if fidelity is None else fidelity
        if rung not in self.card.fidelities:
            raise UnknownFidelity(
                f"model '{self.card.name}' has no rung {rung!r}: it knows {', '.join(self.card.fidelities)}"
            )
        return rung

    def _details_stream(
        self, structures: Input | Iterable[Input], rung: str
    ) -> Iterator[tuple[Crystal | Rejection, PredictionDetails]]:
        entries = as_entries(structures)
        chunks = iter(lambda: list(islice(entries, _CHUNK)), [])
        return chain.from_iterable(zip(chunk, self.predict_with_details(chunk, rung), strict=True) for chunk in chunks)

    def _details(self, crystals: Sequence[Crystal], fidelity: str) -> list[PredictionDetails]:
        """Predictions of crystals whose elements the host supports."""
        if not crystals:
            return []
        graphs = self.build_graphs(crystals)
        outputs = self.member_outputs(graphs, fidelity)
        distance = self.distances(outputs, fidelity)
        half_width = self._half_widths(outputs, fidelity, distance)
        interval = self.card.interval_kind(fidelity)
        needs_bonds = self.members[0].host.needs_bonds
        details = []
        for k, crystal in enumerate(crystals):
            n_isolated = int(graphs.n_isolated[k]) if needs_bonds else 0
            ln_kappa, theta, gruneisen = (values[:, k] for values in outputs[:3])
            if reason := reason_for_no_value(crystal, ln_kappa, n_isolated, self.cutoff):
                row = row_without_value(crystal, reason)
            else:
                row = predicted_row(crystal, ln_kappa, theta, gruneisen, half_width[k], interval)
                row.reason = reason_out_of_domain(crystal, self._seen, n_isolated, self.cutoff, distance[k])
                row.in_domain = row.reason is None
                row.remarks = remarks_on(crystal, row, int(graphs.dimension[k]))
            n_primitive = float(graphs.n_primitive[k])
            one = PredictionDetails(row, np.exp(ln_kappa), outputs.embedding[k], n_primitive=n_primitive)
            if row.debye_temperature_k is not None:
                one = one._replace(
                    volume_per_atom_a3=crystal.volume / crystal.n_atoms,
                    acoustic_debye_temperature_k=acoustic_debye_temperature(row.debye_temperature_k, n_primitive),
                    members_debye_temperature_k=theta,
                    members_gruneisen=gruneisen,
                )
            details.append(one)
        return details

    def _refused(self, entry: Crystal | Rejection) -> Prediction:
        """The row of an entry that the networks cannot take."""
        if isinstance(entry, Rejection):
            return row_without_value(entry, entry.reason)
        return row_without_value(entry, reason_for_unsupported(entry, self.members[0].host.supported_elements))

    def _half_widths(self, outputs: MemberOutputs, fidelity: str, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) half-widths of the intervals in ln kappa; NaN where nothing is known of the spread."""
        spread = ln_kappa_spread(outputs.ln_kappa, outputs.spread_ln)
        calibration = self.card.calibration.get(fidelity)  # type: ignore[call-overload]
        if calibration is None:
            return INTERVAL_SIGMAS * spread
        half: NDArray[np.float64] = calibration.half_width(spread, distance > 1)
        return half


def _n_rows(structures: Input | Iterable[Input], n_temperatures: int) -> int | None:
    """Number of rows of a prediction; None if only reading shows it, as for files."""
    if not isinstance(structures, list | tuple) or any(isinstance(item, str | PathLike) for item in structures):
        return None
    return len(structures) * n_temperatures


def predict(
    structures: Input | Iterable[Input],
    model: str | Path | KappaModel = "accurate",
    fidelity: str | None = None,
    temperature_k: float | Iterable[float] = TRAINING_TEMPERATURE_K,
    device: str = "cpu",
) -> Results[Prediction]:
    """Predict the lattice thermal conductivity of crystals.

    >>> rows = kappatune.predict("structures/")
    >>> rows[0].kappa_w_mk, rows[0].lower_w_mk, rows[0].upper_w_mk
    >>> kappatune.predict(structure, temperature_k=[300, 600, 900]).to_pandas()

    Args:
        structures: One structure or an iterable of them: pymatgen `Structure`s, ASE `Atoms`, `Crystal`s, or paths of
            files, folders and globs (a file with several crystals gives several rows).
        model: `accurate`, `fast`, the folder of a model, or a `KappaModel`.
        fidelity: Rung to predict; by default that of the model, `dft` in shipped ones.
        temperature_k: Temperature of kappa, K, or several of them: kappa falls as 1/T from its value at 300 K.
        device: Where the networks of a named model run: `cpu`, `cuda`, ...; a `KappaModel` stays where it is.

    Returns:
        One row per crystal, or one per crystal and temperature, crystal by crystal. A crystal that cannot be
        predicted has no numbers but a reason.

    Raises:
        kappatune.errors.UserError: There is no such model, rung or device, or a temperature is not a number above 0 K;
            the message says what to do.
    """
    loaded = model if isinstance(model, KappaModel) else _loaded(model, device)
    return loaded.predict(structures, fidelity, temperature_k)


def _loaded(name: str | Path, device: str) -> KappaModel:
    """A model from the last few loaded, unless its card has changed since."""
    card = model_folder(name) / CARD
    return _load_once(name, device, card.stat().st_mtime_ns if card.is_file() else 0)


@lru_cache(maxsize=4)
def _load_once(name: str | Path, device: str, _changed: int) -> KappaModel:
    return KappaModel.load(name, device)

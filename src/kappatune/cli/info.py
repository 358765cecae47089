"""`kappatune info`: the card of a model."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING, Annotated

import typer

from kappatune.cli.intervals import rung_lines
from kappatune.cli.output import answer_only_stdout, errors_as_messages

if TYPE_CHECKING:
    from kappatune.model.card import ModelCard
    from kappatune.model.evidence import Evidence


def info(
    model: Annotated[str, typer.Argument(help="`accurate`, `fast`, or the folder of a model.")] = "accurate",
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole card as JSON.")] = False,
) -> None:
    """Show a model's card: rungs, data, recipe, results, intervals, domains, versions, licence."""
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.model.bundle import model_folder, read_card
        from kappatune.model.evidence import read_evidence

        folder = model_folder(model)
        card = read_card(folder)
        stdout.write(card.model_dump_json(indent=1) + "\n" if as_json else _page(card, read_evidence(folder)))


def _page(card: ModelCard, evidence: Evidence | None) -> str:
    from kappatune.training.label_doubts import kinds_in_words

    lines = [
        f"{card.name}, made {card.created} with kappatune {card.versions['kappatune']}",
        card.description.strip(),
        "",
        f"rungs       {', '.join(card.fidelities)} (default: {card.default_fidelity})",
        f"members     {len(card.members)} on {max(card.members) + 1} host(s) {card.host.name}",
        f"embedding   {card.embedding}, head {'-'.join(map(str, card.head))}",
        f"scale       ({card.scaler.transform} kappa - {card.scaler.mean:.4f}) / {card.scaler.std:.4f}, for all rungs",
        "",
        "trained on",
    ]
    for table in card.data:
        left_out = f", {table.n_left_out} left out" if table.n_left_out else ""
        doubts = f"; labels in doubt: {kinds_in_words(table.label_doubts)}" if table.label_doubts else ""
        lines.append(f"  {table.stage:10s} {table.file}: {table.n_rows} crystals, {table.fidelity}{left_out}{doubts}")
    lines += [
        "",
        "mean |ln kappa| error of each stage, which is no test: on its validation part, which chose the epoch, or,",
        "where trees or a Gaussian process learn, in five folds by formula",
    ]
    for stage, results in card.metrics.items():
        errors = [r["validation_error"] for r in results if r["validation_error"] is not None]
        shown = f"{mean(errors):.3f}" if errors else "no validation part"
        lines.append(f"  {stage:10s} {shown} (mean of {len(results)} members)")
    lines += ["", "intervals, meant to hold nine values in ten, and domain", *rung_lines(card, evidence)]
    lines += ["", f"licence     {card.licence}", f"host from   {card.host.source}"]
    return "\n".join(lines) + "\n"

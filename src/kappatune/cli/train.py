"""`kappatune train`: train a model by a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kappatune.cli.intervals import rung_lines
from kappatune.cli.output import EXIT_WRONG_USAGE, answer_only_stdout, errors_as_messages, note


def train(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="A YAML file, or a shipped recipe by name (`finetune`, `step-3`, ...)."),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="KAPPATUNE_DATA",
            help="Folder with the tables the recipe names, or your own table (.parquet, .jsonl, .csv).",
        ),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Model to start from (`accurate` or a folder); overrides the recipe's.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the new model. [default: runs/NAME]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out after an interruption.")] = False,
    trust_labels: Annotated[
        bool,
        typer.Option(
            "--trust-labels", help="Fine-tune also on labels that contradict each other or seem to be in another unit."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a model stage by stage, on your own values or on published tables.

    The result is a folder that `predict --model` takes. The run can be killed and resumed, with the same result as
    without the interruption. Labels that contradict each other or seem to be in another unit stop a fine-tuning with
    exit code 2.

    **Examples**

        kappatune train finetune --data mine.csv --start accurate --out my-model
        kappatune train step-3 --data tables/ --out step-3 --resume
    """
    with answer_only_stdout() as stdout, errors_as_messages():
        from kappatune.progress import shown_on_stderr
        from kappatune.training import train
        from kappatune.training.label_doubts import DoubtfulLabels
        from kappatune.training.recipe import read_recipe

        plan = read_recipe(recipe)
        folder = out or Path("runs") / plan.name
        with shown_on_stderr() as on_progress:
            try:
                model = train(
                    plan, data, folder, start=start, resume=resume, trust_labels=trust_labels, on_progress=on_progress
                )
            except DoubtfulLabels as error:
                note(f"kappatune: {error}")
                raise typer.Exit(EXIT_WRONG_USAGE) from error
        if as_json:
            measured = model.card.model_dump(include={"metrics", "calibration", "domain_limit", "domain_share"})
            json.dump({"model": str(folder), **measured}, stdout, indent=1)
            stdout.write("\n")
        else:
            stdout.write(f"{folder}\n")
    for line in rung_lines(model.card):
        note(line)
    note(f"predict with it: kappatune predict FILE --model {folder}")

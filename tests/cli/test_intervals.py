"""What is said of the intervals and domains of a model."""

import pytest

from kappatune import KappaModel
from kappatune.cli.intervals import rung_lines
from kappatune.model.intervals import IntervalCalibration


def lines_of(n, coverage, share):
    card = KappaModel.load("fast").card
    calibration = IntervalCalibration(
        level=0.9, factor=2.0, floor_ln=0.3, n=n, n_start=19, date="2026-01-01", coverage=coverage, width=6.0
    )
    changes = {"calibration": {"dft": calibration}, "domain_share": {"dft": share}}
    return "\n".join(rung_lines(card.model_copy(update=changes)))


@pytest.mark.parametrize(("n", "held"), [(1, 0.0), (3, 2 / 3), (19, 18 / 19)])
def test_few_values_are_counted_and_give_no_percentage(n, held):
    text = lines_of(n, held, held)
    assert f"held {round(held * n)} of {n} values" in text
    assert f"{round(held * n)} of {n} labelled crystals inside" in text
    assert "%" not in text
    assert ("on 1 value of" in text) == (n == 1)


def test_many_values_give_a_percentage():
    text = lines_of(40, 0.95, 0.9)
    assert "on 40 values of" in text
    assert "held 95% of the values" in text
    assert "90% of the labelled crystals inside" in text


def test_the_width_is_said_to_be_that_of_the_values_left_out():
    assert "for them typically a factor of 6.00 up and down" in lines_of(1, 1.0, 0.0)

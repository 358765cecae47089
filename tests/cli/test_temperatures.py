from __future__ import annotations

import math

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from kappatune.cli.temperatures import MOST_TEMPERATURES, parse_temperatures

KELVIN = st.floats(min_value=1e-3, max_value=1e5)


@pytest.mark.parametrize(
    ("text", "temperatures"),
    [
        ("300", (300.0,)),
        ("300,600", (300.0, 600.0)),
        ("600, 300", (600.0, 300.0)),
        ("100:1000:300", (100.0, 400.0, 700.0, 1000.0)),
        ("100:1000:50", tuple(float(t) for t in range(100, 1001, 50))),
        ("100:250:100", (100.0, 200.0)),
        ("300:300:1", (300.0,)),
        ("0.1:0.3:0.1", pytest.approx((0.1, 0.2, 0.3))),
        ("300,100:300:100,50", (300.0, 100.0, 200.0, 50.0)),
        ("300,300", (300.0,)),
    ],
)
def test_numbers_lists_and_ranges(text, temperatures):
    assert parse_temperatures(text) == temperatures


@pytest.mark.parametrize(
    "text",
    [
        *("", "warm", "0", "-5", "nan", "inf", "300,", "300;600", "300 K"),
        *("100:200", "100:200:0", "200:100:10", "0:100:10", "1:2:3:4"),
        *("nan:300:10", "100:inf:10", "100:200:nan", "100:200:-10"),
    ],
)
def test_what_is_not_a_temperature_is_wrong_usage(text):
    with pytest.raises(typer.BadParameter, match="above 0 K"):
        parse_temperatures(text)


def test_too_many_temperatures_are_refused():
    for text in ("1:1000:1e-9", "1e-300:1e300:1e-300"):
        with pytest.raises(typer.BadParameter, match="larger step"):
            parse_temperatures(text)


@given(st.lists(KELVIN, min_size=1, max_size=20))
def test_a_list_comes_back_in_its_order(values):
    assert parse_temperatures(",".join(map(repr, values))) == tuple(dict.fromkeys(values))


@given(KELVIN, KELVIN, KELVIN)
def test_a_range_has_even_steps_between_its_ends(low, width, step):
    if width / step > MOST_TEMPERATURES / 2:
        step = width / 10
    high = low + width
    found = parse_temperatures(f"{low!r}:{high!r}:{step!r}")
    assert found[0] == low and low <= min(found) and max(found) <= high
    assert high - found[-1] < step * (1 + 1e-6)
    for k, temperature in enumerate(found[:-1]):
        assert math.isclose(temperature, low + k * step)


@given(st.text(max_size=30))
def test_any_text_gives_temperatures_or_wrong_usage(text):
    try:
        found = parse_temperatures(text)
    except typer.BadParameter:
        return
    assert found and all(0 < value < math.inf for value in found)

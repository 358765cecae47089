from __future__ import annotations

from multiprocessing import Pipe
from typing import Annotated

import pytest
from pydantic import Field, ValidationError, model_validator

from kappatune.errors import UserError
from kappatune.settings import BadSettings, Settings


class Oven(Settings):
    hottest_k: Annotated[float, Field(gt=0)] = 500.0
    coldest_k: Annotated[float, Field(gt=0)] = 300.0

    @model_validator(mode="after")
    def _in_order(self):
        if self.coldest_k > self.hottest_k:
            raise ValueError("the coldest is hotter than the hottest")
        return self


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"hottest_k": -1.0}, "^hottest_k: Input should be greater than 0$"),
        ({"hottest_k": "warm"}, "^hottest_k: Input should be a valid number"),
        ({"heat": 3}, "^heat: Extra inputs are not permitted$"),
        ({"coldest_k": 600.0}, "^the coldest is hotter than the hottest$"),
        ({"hottest_k": 0.0, "coldest_k": 0.0}, "^hottest_k: .*; coldest_k: "),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(values, reason):
    with pytest.raises(BadSettings, match=reason) as caught:
        Oven(**values)
    assert isinstance(caught.value, UserError)


def test_settings_do_not_change_and_copies_are_checked():
    oven = Oven()
    with pytest.raises(ValidationError, match="frozen"):
        oven.hottest_k = 1.0
    assert oven.replace(hottest_k=400.0) == Oven(hottest_k=400.0) and oven == Oven()
    with pytest.raises(BadSettings, match="the coldest"):
        oven.replace(hottest_k=200.0)
    here, there = Pipe()
    here.send(oven)
    assert there.recv() == oven

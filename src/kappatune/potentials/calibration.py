"""How far the values of a potential lie from those of a reference: bias and range, as crystals with both show them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PotentialCalibration(BaseModel):
    """How conductivities by one potential lie to those of a reference.

    ln(reference / value) is `bias_ln` + `slope` (ln value - `centre_ln`), give or take `half_width_ln`.

    Attributes:
        potential: Name of the potential.
        n: Crystals with both values.
        n_formulas: Number of their formulas.
        level: Fraction of the reference values that the range is to hold.
        bias_ln: At `centre_ln`.
        slope: Of the bias with ln value; 0 where it does not help.
        centre_ln: Mean of ln value, value in W/(m K).
        half_width_ln: Half of the range of ln reference.
        coverage: Fraction of the n reference values in ranges that were made without their formula.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    potential: str
    n: int = Field(ge=1)
    n_formulas: int = Field(ge=1)
    level: float = Field(gt=0, lt=1)
    bias_ln: float
    slope: float
    centre_ln: float
    half_width_ln: float = Field(gt=0)
    coverage: float = Field(ge=0, le=1)

    def expected_ln(self, ln_value: float) -> float:
        """Logarithm of the reference value to expect, in W/(m K)."""
        return ln_value + self.bias_ln + self.slope * (ln_value - self.centre_ln)

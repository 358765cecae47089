"""How good models are: splits, metrics, baselines, calibration, and the benchmark of the transfer steps."""

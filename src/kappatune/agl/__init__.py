"""AGL for any crystal: the Debye-Grüneisen workflow with an interatomic potential."""

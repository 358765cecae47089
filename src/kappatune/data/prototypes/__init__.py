"""A low-fidelity data set of our own: prototypes filled with other elements, computed by AGL with a potential."""

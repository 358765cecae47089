"""Training: recipes, stages, and the climb from rough values to precise ones."""

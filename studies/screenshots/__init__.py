"""Pictures of the page for the docs."""

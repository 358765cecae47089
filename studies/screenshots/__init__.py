"""Screenshots of the web page for the docs."""

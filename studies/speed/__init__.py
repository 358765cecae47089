"""Time and memory that training, prediction, scans, the server, AGL and verification take."""

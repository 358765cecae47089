"""How fast kappatune is."""

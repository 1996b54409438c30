"""The edge of HTTP: one application of everything that a server answers."""

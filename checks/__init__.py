"""The bundled checks, one module per factor; each is a function of the lab."""

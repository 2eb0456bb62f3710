"""Renderings of the report document, and of a trace as a story. They know nothing else."""

"""Recordings of the reference agents with a real model: `make record`, never in CI."""

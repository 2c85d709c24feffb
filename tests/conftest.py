"""Settings for every test."""

from __future__ import annotations

from hypothesis import settings

# A deadline is a timed test: it fails on a busy machine and says nothing about behaviour.
settings.register_profile("cosem", deadline=None)
settings.load_profile("cosem")

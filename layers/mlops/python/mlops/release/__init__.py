"""Releases of the API and of batch: steps, gate, analysis, rollback, repair. Pure over ports."""

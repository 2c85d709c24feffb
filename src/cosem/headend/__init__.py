"""The data collection system: who is read, when, by what plan, and what came of it."""

"""Processes: their definition, their plan, and how they are carried out."""

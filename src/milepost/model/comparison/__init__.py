"""Subjects side by side: what was decided for each, what each measured, where they differ. Pure: rows in, lines out."""

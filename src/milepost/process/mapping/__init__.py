"""Mapped stages: their items fed in windows, carried out in batches, recorded one by one, put back in order."""

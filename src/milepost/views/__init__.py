"""Frozen rows that every face prints, read from a store. Views compute; faces only show."""

"""Fingerprints: what a value, a piece of code and a whole stage key are, as bytes and as parts that can be compared."""

from milepost.model.fingerprint.preview import preview
from milepost.model.fingerprint.values import digest

__all__ = ["digest", "preview"]

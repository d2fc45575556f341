"""Milepost: kill it any time; it continues where it was, with the right code, and tells you what it reused and why."""

"""The command line: parse, ask views, show."""

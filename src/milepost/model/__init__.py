"""Pure nouns and rules: no I/O, no clock, no threads. Time comes in as an argument."""

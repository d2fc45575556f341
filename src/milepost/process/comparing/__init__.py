"""Runs and scenarios compared: which are meant, which run or results show a scenario, what there is to compare."""

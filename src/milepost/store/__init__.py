"""Where rows and objects live. Knows bytes and records, never what they mean."""

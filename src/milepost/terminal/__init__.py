"""What a terminal shows: words and figures, tables that fit, lines for pipes and one live table."""

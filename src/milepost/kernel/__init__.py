"""What every component stands on: workspace, recorder, sessions, context, clock."""

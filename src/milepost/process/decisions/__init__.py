"""What is decided: decisions as rows, scenarios that keep them, what runs are asked for, which stages they affect."""

"""A process that its program carries out by hand, as a pure machine: its declaration, what is refused, what follows."""

"""Processes of our own that carry tasks out; when one dies, its item is known and the run goes on."""

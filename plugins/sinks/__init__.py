"""Where accepted records land; each sink keeps its own account of how far it is."""

"""An example of a package with plugins for StreamLake; README.md beside it says what to look at."""

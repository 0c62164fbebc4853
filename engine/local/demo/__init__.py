"""What `make demo` runs: four stories over one Kafka and one lake, told in the terminal and in a report."""

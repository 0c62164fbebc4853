"""Google Cloud Storage: a root in a bucket."""

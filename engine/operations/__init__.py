"""What is asked of a pipeline from outside (prove, dead letters, status): typed functions under thin commands."""

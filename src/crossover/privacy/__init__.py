"""What is said in a request: every string of it, for a classifier that is handed in."""

"""What is said of what was written."""

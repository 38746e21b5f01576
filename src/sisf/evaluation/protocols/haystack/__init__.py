"""What is caught alone, hidden in honest long texts."""

"""What is caught in clear, spelt otherwise."""

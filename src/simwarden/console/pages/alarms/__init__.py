"""What is wrong and needs a person."""

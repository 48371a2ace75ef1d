"""What is wrong now, and how much goes on."""

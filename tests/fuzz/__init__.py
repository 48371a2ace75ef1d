"""Structure-aware fuzzing of everything that takes input from outside (`make fuzz`), seeded and repeatable."""

"""What a person looks after himself: password, second factor, sessions."""

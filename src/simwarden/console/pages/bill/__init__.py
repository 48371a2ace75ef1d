"""What accounts use and pay."""

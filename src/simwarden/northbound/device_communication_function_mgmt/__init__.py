"""China Telecom's own contract for communication functions: one operation that opens, closes and tells."""

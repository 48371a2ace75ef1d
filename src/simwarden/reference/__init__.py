"""What an integrator reads: the OpenAPI documents, and a page on which to read and try them."""

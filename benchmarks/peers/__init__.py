"""What the same work costs when it is done the usual way. Measured in the same run as ours."""

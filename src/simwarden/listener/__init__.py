"""The client's side of an inbox: takes events from a server and hands them to a program on this machine."""

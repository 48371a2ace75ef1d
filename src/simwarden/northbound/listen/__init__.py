"""Our own API: inboxes that this server hosts, for receiving events without a public address."""

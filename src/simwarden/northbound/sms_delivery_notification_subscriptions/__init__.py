"""CAMARA SMS Delivery Notification Subscriptions (as of pull request 21): what became of sent messages."""

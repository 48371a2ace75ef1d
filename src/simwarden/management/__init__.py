"""The operator's own REST API, `/manage/v1`: SIMs, gateways, subscriptions, deliveries, operations, bulk."""

"""The process that runs tests and deliveries."""

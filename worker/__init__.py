"""The back door: delivers webhooks, keeps house."""

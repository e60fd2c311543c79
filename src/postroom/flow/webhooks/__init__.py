"""Other programs that are told what happened: webhooks, their requests and history."""

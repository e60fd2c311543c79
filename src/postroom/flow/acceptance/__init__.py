"""Taking a message in: checked, its server chosen, composed and queued before anybody hears yes; test mode."""

"""Who gets which report when: subscriptions, schedules, calendars, and the load that they will make."""

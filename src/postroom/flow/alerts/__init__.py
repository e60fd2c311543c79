"""What is wrong right now, and who is told: rules, looks, mail about alerts, the doctor, metrics."""

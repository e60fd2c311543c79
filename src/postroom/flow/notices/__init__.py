"""What Postroom writes to people at somebody's wish: announcements, invitations, notifications."""

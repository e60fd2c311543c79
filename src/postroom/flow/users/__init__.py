"""Who may use Postroom: people, their first sign-in and links to passwords, and tokens of API clients."""

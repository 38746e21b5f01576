"""The Warden: enforces the active policies on every request and every answer."""

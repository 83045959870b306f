"""The admin, asked as a browser would."""

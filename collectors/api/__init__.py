"""The REST API: `people` sign in with JWT, `agents` with a collector key. Built on `access` and `services`."""

"""DBPower's one app, split by layer: domain, models, access, services, and above them api, admin, tasks, management."""

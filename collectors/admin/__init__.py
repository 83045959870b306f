"""The operators' console. Its tables are registered by importing `collectors.admin.tables`, which the app does once it is ready."""

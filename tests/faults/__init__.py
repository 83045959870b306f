"""What DBPower stored, compared with the monitored server's own counters while everything around them breaks."""

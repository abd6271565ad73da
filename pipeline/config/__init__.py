"""Settings: one YAML file, typed, checked before anything starts; errors name file, line and key."""

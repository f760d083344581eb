"""Traffic: what the user brings, read from flags, TOML, traces, usage exports and presets into a Workload."""

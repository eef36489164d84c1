"""Step Functions where MiniStack's differs from AWS's: language, roles, logs and integrations."""

"""Every query of every direction ranked exactly."""

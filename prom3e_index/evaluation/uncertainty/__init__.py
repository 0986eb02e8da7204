"""What the uncertainty says: visible sets, errors, calibration."""

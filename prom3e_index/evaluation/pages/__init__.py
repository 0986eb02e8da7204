"""Files and HTML pages of an evaluation."""

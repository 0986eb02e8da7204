"""How likely an answer is right: signals of its scores, calibrated; and what such numbers are worth."""

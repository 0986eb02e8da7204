"""What runs on the card, in Triton."""

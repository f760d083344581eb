"""What the privacy models are trained on."""

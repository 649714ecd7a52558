"""Events: what they are (types), their bytes (codec), and the logs that keep them."""

"""Cost: tokens, hosting, total cost of ownership, break-even. Pure arithmetic on prices that are handed in."""

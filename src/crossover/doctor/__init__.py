"""What a check-up looks at, and what it says: facts gathered elsewhere in, findings with one sentence of advice out."""

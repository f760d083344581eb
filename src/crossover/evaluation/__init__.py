"""PROVE: samples go through two or more backends, scorers judge the answers, statistics say what follows."""

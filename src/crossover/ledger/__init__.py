"""The store of record: what was asked, decided, called, paid. Narrow rows, appended and never rewritten."""

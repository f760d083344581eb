"""The catalog: facts about accelerators, offers and models, each with source and checked date."""

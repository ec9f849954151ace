"""People or rules decide: cards, evidence, votes, decisions, windows, assignments."""

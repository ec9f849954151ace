"""What happens when people or rules decide: cards, evidence, votes, decisions, windows, assignments."""

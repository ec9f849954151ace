"""What tests share: parts of the machine they need, servers they start. No test lives here."""

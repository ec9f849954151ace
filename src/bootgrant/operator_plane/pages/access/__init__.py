"""``/access``: who and what may decide about machines: operators, API tokens, armed windows, rules, providers."""

"""Ways to prove who one is. So far: a password of a local operator."""

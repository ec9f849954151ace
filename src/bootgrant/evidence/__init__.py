"""Sources of evidence: the site's networks, its entries, a machine's history, and commands of the site.

A source reports what it found and never decides. What it cannot find out is "unknown", which counts as nothing.
"""

"""Where configurations come from: a folder, a git repository, encrypted files, the site's programs (ports.origins)."""

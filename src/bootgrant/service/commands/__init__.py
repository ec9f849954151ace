"""Commands on a site that need no running server."""

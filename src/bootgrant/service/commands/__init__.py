"""What commands do with a site while no server needs to run."""

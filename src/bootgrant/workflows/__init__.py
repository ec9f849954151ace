"""What happens at a site, one file per subject. Knows the ports and the pure rules, no HTTP and no concrete store."""

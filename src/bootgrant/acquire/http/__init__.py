"""HTTP as the boot-time client speaks it: connections, TLS, proxies, the download."""

"""The config source port, implemented. It owns how configurations are found and read, not who may have them."""

"""The interfaces that the workflows need from stores, sources, providers and clocks: Protocols and their values."""

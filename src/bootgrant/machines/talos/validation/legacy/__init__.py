"""The document with ``machine`` and ``cluster``: what ``Config.Validate`` of Talos's v1alpha1 package refuses."""

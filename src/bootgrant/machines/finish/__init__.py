"""From layers to bytes: templates, rendering, validation, redaction, annotation."""

"""Turn layers into bytes: templates, rendering, validation, redaction and annotation."""

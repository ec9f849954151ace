"""The API for programs: JSON on ``/api/v1``, for API tokens and for ``data/admin.sock``."""

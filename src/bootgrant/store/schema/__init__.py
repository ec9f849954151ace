"""The numbered SQL files of each database, applied by yoyo (docs/decisions/0002-storage.md)."""

"""integrations - a schedule inside training frameworks; each module imports its framework when it is used, nothing else does."""

"""The page and the HTTP service (`kappatune serve`); needs the extra `web`."""

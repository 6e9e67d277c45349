"""One paper, one room: a notebook and the modules that it opens."""

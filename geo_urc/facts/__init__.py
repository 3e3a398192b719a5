"""One module per question asked of a map. Arrays in, columns out, same order; no policy."""

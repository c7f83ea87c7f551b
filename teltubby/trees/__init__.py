"""THE ARCHITECTURE: one declarative screen per process. Start from the top; stop from the bottom."""

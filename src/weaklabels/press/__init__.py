"""What makes the book: notebooks executed, verdicts, style of the figures, HTML, PDF, archive."""

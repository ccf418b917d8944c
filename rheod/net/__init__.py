"""Which addresses may be asked, and what went wrong on the way there."""

"""What the book shows: its style, and for each chapter a file with its tables and figures. No stage imports it."""

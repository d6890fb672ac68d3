"""Writing, changing and deleting records, one by one and by the thousand."""

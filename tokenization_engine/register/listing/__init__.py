"""Lists by pages: conditions, orders, and the records of a page as plain rows."""

"""What `doctor` looks at in every program: the node, the database, the door; and how the findings are told."""

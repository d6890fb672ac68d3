"""Finding units and projects by values and words: the index, how it is kept, and how it is asked."""

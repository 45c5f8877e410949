"""The accuracy of the search for siblings: the objects that are listed, and the share of them that is false."""

"""The Blue Book: one file per interface class, each declared once; everything else reads the declaration."""

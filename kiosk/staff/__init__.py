"""The staff site: what waits for a person, one answer at a time, and the records it makes."""

"""Tables of cases become checked records."""

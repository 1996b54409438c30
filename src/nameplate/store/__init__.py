"""All the SQL there is, by noun."""

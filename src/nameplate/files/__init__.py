"""Device lists in and out: CSV, XLSX, JSON lines, Parquet; kept encrypted, sealed for a factory, signed for.

Nothing here knows of a database or of HTTP; everything is streamed.
"""
